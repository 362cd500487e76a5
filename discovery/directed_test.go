package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/discovery/wsd"
	"vitrine/platform/network/networktest"
)

func TestSubnets(t *testing.T) {
	for text, want := range map[string]int{
		"10.2.0.0/24": 254, "10.2.0.77/30": 2, "10.2.0.1/32": 1, "10.2.0.0/31": 2, "fd00::/120": 256, "fd00::1/128": 1,
		"255.255.255.252/30": 2,
	} {
		list, err := subnet(text, wsd.Port)
		if err != nil || len(list) != want {
			t.Errorf("%s: %d addresses, %v; want %d", text, len(list), err, want)
		}
	}
	for _, text := range []string{"10.2.0.0/23", "0.0.0.0/0", "fd00::/64", "::/0", "10.2.0.0/33", "host/24", "10.2.0.0/", "/24"} {
		if list, err := subnet(text, wsd.Port); err == nil {
			t.Errorf("%s: %d addresses", text, len(list))
		}
	}
}

func TestCheckHost(t *testing.T) {
	for _, good := range []string{"signage.example.org", "server", "10.2.0.5", "10.2.0.5:3703", "fd00::1", "[fd00::1]:3702", "fe80::1%eth0", "10.2.0.0/24"} {
		if err := CheckHost(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "10.2.0.5:0", "10.2.0.5:http", "a b", "10.2.0.0/8", "300.1.1.1", "http://server"} {
		if CheckHost(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A subnet is asked address by address, by one Probe in each version, and who is there is found.
func TestDirectedProbeOfSubnet(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	start(t, testTarget(t, port))
	c := &Client{Port: port, Interfaces: []string{"no such interface"}, Hosts: []string{"127.0.0.0/28"}, Window: patience, Log: testLog(t)}
	devices := find(t, c, wsd.Query{Types: []wsd.Name{serverType}}, 1)
	if len(devices) != 1 || devices[0].EPR != serverEPR || devices[0].RTT <= 0 {
		t.Errorf("found %+v", devices)
	}
}

// With one source port for everything, also what is asked of hosts is asked from there.
func TestSourcePort(t *testing.T) {
	t.Parallel()
	port, source := networktest.FreePort(t), networktest.FreePort(t)
	s := joinedSocket(t, port)
	c := loopbackClient(t, port)
	c.SourcePort, c.Hosts = source, []string{"127.0.0.1"}
	background(t, func() error { return c.Resolve(t.Context(), serverEPR, func(Device) {}) })
	for range 2 {
		m, p := receive(t, s)
		if m.Action != wsd.Resolve || m.Endpoints[0].EPR != serverEPR || p.from.Port() != source {
			t.Errorf("%+v from %v, want port %d", m, p.from, source)
		}
	}
}

// A target that answers without addresses is asked for them, once, and only its own answer counts.
func TestResolveFollowsAnswerWithoutAddresses(t *testing.T) {
	t.Parallel()
	for name, directed := range map[string]bool{"multicast": false, "directed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := networktest.FreePort(t)
			s := joinedSocket(t, port)
			c := loopbackClient(t, port)
			if directed {
				c.Interfaces, c.Hosts = []string{"no such interface"}, []string{"127.0.0.1"}
			}
			found := make(chan Device, 8)
			background(t, func() error {
				return c.Probe(t.Context(), func(d Device) { found <- d }, wsd.Query{Types: []wsd.Name{serverType}})
			})

			request, p := receive(t, s)
			match := &wsd.Message{
				Version: request.Version, Action: wsd.ProbeMatches, MessageID: newID(), RelatesTo: request.MessageID,
				Endpoints: []wsd.Endpoint{{EPR: serverEPR, Types: []wsd.Name{serverType}}},
			}
			if err := s.send(mustMarshal(t, match), p.from); err != nil {
				t.Fatal(err)
			}
			if d := await(t, found); d.EPR != serverEPR || len(d.XAddrs) != 0 {
				t.Errorf("found %+v", d)
			}
			for request.Action != wsd.Resolve {
				request, p = receive(t, s)
			}
			if request.Endpoints[0].EPR != serverEPR || request.Version != match.Version || directed == (p.to == group4) {
				t.Errorf("asked %+v at %v", request, p.to)
			}
			where := &wsd.Message{Version: request.Version, Action: wsd.ResolveMatches, RelatesTo: request.MessageID}
			// wsdd2 answers every Resolve with itself.
			for _, epr := range []string{"urn:uuid:somebody-else", serverEPR} {
				where.MessageID, where.Endpoints = newID(), []wsd.Endpoint{{EPR: epr, XAddrs: []string{"mqtts://127.0.0.1:7237"}}}
				if err := s.send(mustMarshal(t, where), p.from); err != nil {
					t.Fatal(err)
				}
			}
			if d := await(t, found); d.EPR != serverEPR || !slices.Equal(d.Addrs("mqtts"), []string{"127.0.0.1:7237"}) {
				t.Errorf("found %+v", d)
			}
		})
	}
}

// A discovery proxy that was named answers for others: their addresses are theirs, and what means "this machine" means
// nothing.
func TestProxy(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	s := joinedSocket(t, port)
	c := &Client{Port: port, Interfaces: []string{"no such interface"}, Proxies: []string{"127.0.0.1"}, Window: patience, Log: testLog(t)}
	found := make(chan Device, 8)
	background(t, func() error {
		return c.Probe(t.Context(), func(d Device) { found <- d }, wsd.Query{Types: []wsd.Name{serverType}})
	})
	request, p := receive(t, s)
	match := &wsd.Message{Version: request.Version, Action: wsd.ProbeMatches, MessageID: newID(), RelatesTo: request.MessageID}
	for _, host := range []string{"192.0.2.7", "player-8", "localhost", "0.0.0.0"} {
		match.Endpoints = append(match.Endpoints, wsd.Endpoint{EPR: "urn:" + host, Types: []wsd.Name{serverType}, XAddrs: []string{"mqtts://" + host + ":7237"}})
	}
	if err := s.send(mustMarshal(t, match), p.from); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"192.0.2.7:7237", "player-8:7237", "", ""} {
		if d := await(t, found); strings.Join(d.Addrs("mqtts"), " ") != want {
			t.Errorf("found %s at %q, want %q", d.EPR, d.Addrs("mqtts"), want)
		}
	}
	if c.window() != patience || (&Client{Proxies: c.Proxies}).window() != proxyWindow || (&Client{}).window() != defaultWindow {
		t.Error("wrong windows")
	}
}

// Who says that it is a proxy, and that multicasts should stop, changes nothing (section 2.2.2): probing goes on.
func TestSuppressionIsIgnored(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	s := joinedSocket(t, port)
	background(t, func() error { return loopbackClient(t, port).Probe(t.Context(), func(Device) {}, wsd.Query{}) })
	request, p := receive(t, s)
	hello := &wsd.Message{
		Version: request.Version, Action: wsd.Hello, MessageID: newID(), RelatesTo: request.MessageID,
		Endpoints: []wsd.Endpoint{{EPR: "urn:proxy", XAddrs: []string{"https://127.0.0.1:1"}}},
	}
	for copies := 1; copies < request.Version.MulticastCopies(); {
		if err := s.send(mustMarshal(t, hello), p.from); err != nil {
			t.Fatal(err)
		}
		next, from := receive(t, s)
		if from.from == netip.AddrPort(p.from) && next.Version == request.Version {
			copies++
		}
	}
}

// Whoever only listens on the port takes no directed Probe away from a target on the same machine.
func TestListenerLeavesUnicastsToTarget(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	start(t, testTarget(t, port))
	ready := make(chan struct{})
	background(t, func() error {
		return loopbackClient(t, port).listen(t.Context(), func() { close(ready) }, func(Announcement) {})
	})
	await(t, ready)
	c := &Client{Port: port, Interfaces: []string{"no such interface"}, Hosts: []string{"127.0.0.1"}, Window: 2 * time.Second, Log: testLog(t)}
	if devices := find(t, c, wsd.Query{Types: []wsd.Name{serverType}}, 1); len(devices) != 1 {
		t.Errorf("found %+v", devices)
	}
}
