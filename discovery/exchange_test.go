package discovery

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/discovery/wsd"
	"vitrine/platform/network/networktest"
)

// start runs a target until the test ends, or stop is called, and waits until it answers.
func start(t testing.TB, target *Target) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- target.Run(ctx) }()
	select {
	case <-target.Ready():
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// find probes until the wanted number of calls of found.
func find(t *testing.T, c *Client, q wsd.Query, calls int) []Device {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var devices []Device
	err := c.Probe(ctx, func(d Device) {
		if devices = append(devices, d); len(devices) == calls {
			cancel()
		}
	}, q)
	if err != nil {
		t.Fatal(err)
	}
	return devices
}

func loopbackClient(t *testing.T, port uint16) *Client {
	return &Client{Port: port, Interfaces: []string{loopbackName(t)}, Window: patience, Log: testLog(t)}
}

func TestProbeFindsTarget(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	start(t, testTarget(t, port))
	devices := find(t, loopbackClient(t, port), wsd.Query{Types: []wsd.Name{serverType}, Scopes: []string{"vitrine://SITE/role"}}, 1)
	if len(devices) != 1 {
		t.Fatalf("found %+v", devices)
	}
	d := devices[0]
	if d.EPR != serverEPR || d.Interface != loopbackName(t) || d.RTT <= 0 || !d.From.Addr().IsLoopback() {
		t.Errorf("found %+v", d)
	}
	if got := d.Addrs("mqtts"); !slices.Equal(got, []string{"127.0.0.1:7237"}) {
		t.Errorf("addresses %q", got)
	}
}

func TestDirectedProbe(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	start(t, testTarget(t, port))
	none := []string{"no such interface"}
	for _, host := range []string{"127.0.0.1", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String()} {
		c := &Client{Port: port, Interfaces: none, Hosts: []string{host}, Window: patience, Log: testLog(t)}
		if devices := find(t, c, wsd.Query{}, 1); len(devices) != 1 || devices[0].EPR != serverEPR || devices[0].Interface != "" {
			t.Errorf("%s: found %+v", host, devices)
		}
	}
}

// Both versions are asked; each is answered in kind. The client would hide that, so this asks without it.
func TestTargetSpeaksBothVersions(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	start(t, testTarget(t, port))
	for _, v := range versions {
		for _, to := range []string{"127.0.0.1", group4.String()} {
			s := rawSocket(t)
			request := probe(v, wsd.Query{Types: []wsd.Name{serverType}})
			if err := s.send(mustMarshal(t, request), netip.AddrPortFrom(netip.MustParseAddr(to), port)); err != nil {
				t.Fatal(err)
			}
			m, _ := receive(t, s)
			if m.Version != v || m.Action != wsd.ProbeMatches || m.RelatesTo != request.MessageID {
				t.Errorf("%s to %s is answered by %+v", v, to, m)
			}
		}
	}
}

// rawSocket sends on loopback.
func rawSocket(t testing.TB) *socket {
	t.Helper()
	links, err := findLinks([]string{loopbackName(t)})
	if err != nil || len(links) == 0 {
		t.Fatal(links, err)
	}
	s, err := openProbing(t.Context(), &links[0], netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.conn.SetDeadline(time.Now().Add(patience))
	return s
}

func receive(t *testing.T, s *socket) (*wsd.Message, packet) {
	t.Helper()
	p, err := s.read(make([]byte, wsd.MaxSize))
	if err != nil {
		t.Fatal(err)
	}
	m, err := wsd.Parse(p.data)
	if err != nil {
		t.Fatal(err)
	}
	return m, p
}

// joinedSocket receives what is multicast on loopback.
func joinedSocket(t *testing.T, port uint16) *socket {
	t.Helper()
	links, err := findLinks([]string{loopbackName(t)})
	if err != nil || len(links) == 0 {
		t.Fatal(links, err)
	}
	s, err := openMember(t.Context(), &links[0], netip.MustParseAddr("127.0.0.1"), port, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.conn.SetDeadline(time.Now().Add(patience))
	return s
}

// What leaves: three identical copies in 1.1 and four in 2005, from an ephemeral port.
func TestProbeCopies(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	s := joinedSocket(t, port)
	probing, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loopbackClient(t, port).Probe(probing, func(Device) {}, wsd.Query{}) }()
	copies := map[wsd.Version][]string{}
	for range 7 {
		m, p := receive(t, s)
		copies[m.Version] = append(copies[m.Version], string(p.data))
		if p.from.Port() == port {
			t.Errorf("sent from %v", p.from)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for v, want := range map[wsd.Version]int{wsd.Version11: 3, wsd.Version2005: 4} {
		if len(copies[v]) != want || len(slices.Compact(slices.Clone(copies[v]))) != 1 {
			t.Errorf("%s: %d copies, %d of them different", v, len(copies[v]), len(slices.Compact(copies[v])))
		}
	}
}

// A peer that answers before the true target with what must not be believed: only the last one of these counts.
func TestForgedAnswers(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	s := joinedSocket(t, port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan error, 1)
	var found []Device
	go func() {
		ended <- loopbackClient(t, port).Probe(ctx, func(d Device) {
			found = append(found, d)
			if d.EPR == "urn:true" {
				cancel()
			}
		}, wsd.Query{Types: []wsd.Name{serverType}})
	}()
	request, p := receive(t, s)
	match := func(epr string) *wsd.Message {
		return &wsd.Message{
			Version: request.Version, Action: wsd.ProbeMatches, MessageID: newID(), RelatesTo: request.MessageID,
			Endpoints: []wsd.Endpoint{{EPR: epr, Types: []wsd.Name{serverType}}},
		}
	}
	unrelated, other, untyped, resolved := match("urn:unrelated"), match("urn:other-version"), match("urn:untyped"), match("urn:resolved")
	unrelated.RelatesTo = newID()
	other.Version = wsd.Version11 + wsd.Version2005 - request.Version
	untyped.Endpoints[0].Types = nil
	resolved.Action = wsd.ResolveMatches
	truth := match("urn:true")
	truth.RelatesTo = "UUID:{" + strings.ToUpper(truth.RelatesTo[9:]) + "}"
	truth.MessageID = request.MessageID // as a camera does
	odd := rawSocket(t)                 // not port 3702: many answer from a fresh one
	garbage := [][]byte{[]byte("<:/>"), {}, make([]byte, 60000)}
	for _, m := range []*wsd.Message{unrelated, other, untyped, resolved, truth} {
		garbage = append(garbage, mustMarshal(t, m))
	}
	for _, data := range garbage {
		if err := odd.send(data, p.from); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].EPR != "urn:true" {
		t.Errorf("found %+v", found)
	}
}

func TestListenHearsHelloAndBye(t *testing.T) {
	t.Parallel()
	port := networktest.FreePort(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard, ready, ended := make(chan Announcement, 16), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- loopbackClient(t, port).listen(ctx, func() { close(ready) }, func(a Announcement) { heard <- a })
	}()
	await(t, ready)
	target := testTarget(t, port)
	for range 2 { // a target may be run again, even within a second
		stop := start(t, target)
		hello := await(t, heard)
		if hello.Bye || hello.Device.EPR != serverEPR || !hello.Device.From.Addr().IsLoopback() || !slices.Equal(hello.Device.Addrs("mqtts"), []string{"127.0.0.1:7237"}) {
			t.Errorf("heard %+v", hello)
		}
		stop()
		bye := await(t, heard)
		if !bye.Bye || bye.Device.EPR != serverEPR || !bye.Device.From.Addr().IsLoopback() {
			t.Errorf("heard %+v", bye)
		}
	}
	cancel()
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
	if len(heard) != 0 {
		t.Errorf("heard more: %+v", <-heard)
	}
}

// background runs something until the test's context ends, and waits for it.
func background(t *testing.T, run func() error) {
	ended := make(chan error, 1)
	go func() { ended <- run() }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestProbeErrors(t *testing.T) {
	none := []string{"no such interface"}
	tests := map[string]struct {
		client *Client
		query  wsd.Query
		want   string
	}{
		"nothing to ask": {&Client{Interfaces: none}, wsd.Query{}, "no network interface is up"},
		"bad port":       {&Client{Interfaces: none, Hosts: []string{"192.0.2.1:http"}}, wsd.Query{}, `192.0.2.1:http: port "http"`},
		"bad query":      {&Client{Interfaces: none}, wsd.Query{MatchBy: wsd.RuleUnknown}, "unknown matching rule"},
		"port 0":         {&Client{Interfaces: none, Hosts: []string{"0.0.0.0:0"}}, wsd.Query{}, "0.0.0.0:0"},
	}
	for name, test := range tests {
		err := test.client.Probe(t.Context(), func(Device) {}, test.query)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := loopbackClient(t, networktest.FreePort(t)).Probe(ctx, func(Device) {}, wsd.Query{}); err != nil {
		t.Errorf("after the end of its context: %v", err)
	}
}

// A port that another program keeps for itself is named.
func TestPortTaken(t *testing.T) {
	taken, err := net.ListenUDP("udp", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	target := testTarget(t, taken.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	err = target.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), loopbackName(t)) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
}

// Sources that can't be on the link are dropped before anything is read, unless the target is told otherwise. They can't
// be made on loopback, so this goes around the socket.
func TestOffLinkSources(t *testing.T) {
	here := testLink()
	links := neighbourhood{*here, {iface: net.Interface{Index: 78, Name: "test1"}, prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}}}
	tests := map[string]struct {
		from, to string
		iface    int
		offLink  string
		want     string // the link, or nothing
	}{
		"on-link":                  {"192.0.2.9:5000", "239.255.255.250", 77, "", "test0"},
		"on-link, IPv6":            {"[fe80::9%test0]:5000", "ff02::c", 77, "", "test0"},
		"itself":                   {"192.0.2.1:5000", "239.255.255.250", 77, "", "test0"},
		"off-link":                 {"203.0.113.5:5000", "239.255.255.250", 77, "", ""},
		"off-link, allowed":        {"203.0.113.5:5000", "192.0.2.1", 77, "203.0.113.0/24", "test0"},
		"off-link, not allowed":    {"203.0.113.5:5000", "192.0.2.1", 77, "198.51.100.0/24", ""},
		"of another link":          {"10.0.0.5:5000", "192.0.2.1", 77, "", ""},
		"loopback":                 {"127.0.0.1:5000", "192.0.2.1", 77, "", ""},
		"multicast elsewhere":      {"10.0.0.5:5000", "239.255.255.250", 78, "", ""},
		"unicast elsewhere":        {"10.0.0.5:5000", "10.0.0.1", 78, "", "test1"},
		"unicast of unknown link":  {"10.0.0.5:5000", "10.0.0.1", 79, "", ""},
		"system that doesn't tell": {"192.0.2.9:5000", "", 0, "", "test0"},
	}
	for name, test := range tests {
		got := ""
		g := &membership{log: testLog(t), tally: &tally{}, received: func(_ context.Context, _ *member, l *link, _ packet) (fate, error) {
			got = l.iface.Name
			return accepted, nil
		}}
		if test.offLink != "" {
			g.offLink = []netip.Prefix{netip.MustParsePrefix(test.offLink)}
		}
		g.links.Store(&links)
		p := packet{from: netip.MustParseAddrPort(test.from), iface: test.iface}
		p.to, _ = netip.ParseAddr(test.to)
		g.receive(t.Context(), &member{link: *here}, p)
		if got != test.want {
			t.Errorf("%s: came in on %q, want %q", name, got, test.want)
		}
	}
}

// Sockets follow the interfaces that there are.
func TestMembershipFollowsInterfaces(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	joined := make(chan string, 8)
	g := &membership{
		port: networktest.FreePort(t), interfaces: []string{"no such interface"}, log: testLog(t), members: map[string]*member{}, failed: map[string]error{},
		joined:   func(_ context.Context, m *member) { joined <- m.link.iface.Name },
		received: func(context.Context, *member, *link, packet) (fate, error) { return accepted, nil }, tally: &tally{},
	}
	defer g.closeAll()
	defer cancel()
	scan := func(interfaces string, want int) {
		t.Helper()
		g.interfaces = []string{interfaces}
		if err := g.scan(ctx); err != nil || len(g.members) != want {
			t.Fatalf("%q: %d sockets, want %d, %v", interfaces, len(g.members), want, err)
		}
	}
	scan("no such interface", 0)
	scan(loopbackName(t), 1)
	if name := await(t, joined); name != loopbackName(t) {
		t.Errorf("joined on %q", name)
	}
	scan(loopbackName(t), 1)
	if len(joined) != 0 {
		t.Error("joined again although nothing changed")
	}
	scan("no such interface", 0)
}

// chosenDelay is what targets of these measurements choose to wait.
const chosenDelay = 50 * time.Millisecond

// delays measures how long after its chosen moment a target answers.
func delays(t testing.TB, rounds int) []float64 {
	port := networktest.FreePort(t)
	target := testTarget(t, port)
	target.Log, target.delay = nil, func(time.Duration) time.Duration { return chosenDelay }
	start(t, target)
	s := rawSocket(t)
	var late []float64
	for range rounds {
		s.conn.SetDeadline(time.Now().Add(patience))
		request := probe(wsd.Version11, wsd.Query{Types: []wsd.Name{serverType}})
		data := mustMarshal(t, request)
		began := time.Now()
		if err := s.send(data, netip.AddrPortFrom(group4, port)); err != nil {
			t.Fatal(err)
		}
		for {
			p, err := s.read(make([]byte, wsd.MaxSize))
			took := time.Since(began)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := wsd.Parse(p.data); err == nil && m.RelatesTo == request.MessageID {
				late = append(late, (took - chosenDelay).Seconds())
				break
			}
		}
	}
	return late
}

// An answer doesn't come before the moment that was chosen for it, but for what timers are late otherwise.
func TestTargetWaitsAsLongAsItChose(t *testing.T) {
	t.Parallel()
	for _, late := range delays(t, 3) {
		if late < -timerSlack.Seconds() {
			t.Errorf("answered %v s too early", -late)
		}
	}
}

// BenchmarkAnswerDelay is how long after that moment an answer is with whoever asked, on loopback: the median.
func BenchmarkAnswerDelay(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(1e6*median(delays(b, 40)), "late-µs")
	}
	b.ReportMetric(0, "ns/op")
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
