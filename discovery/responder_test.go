package discovery

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/discovery/wsd"
	"vitrine/platform/network/networktest"
)

var peer = netip.MustParseAddrPort("192.0.2.9:50000")

func multicast(data []byte) packet { return packet{data: data, from: peer, to: group4, iface: 77} }

func TestAnswerInTheVersionAsked(t *testing.T) {
	for _, v := range versions {
		for _, request := range []*wsd.Message{
			probe(v, wsd.Query{Types: []wsd.Name{serverType}, Scopes: []string{"vitrine://site"}}),
			{Version: v, Action: wsd.Resolve, MessageID: newID(), Endpoints: []wsd.Endpoint{{EPR: strings.ToUpper(serverEPR[9:])}}},
		} {
			target := testTarget(t, 0)
			target.MetadataVersion, target.InstanceID = 3, 8
			r := newResponder(target)
			a, _, _ := r.answer(testLink(), multicast(mustMarshal(t, request)))
			if a == nil {
				t.Fatalf("%s of %s is not answered", request.Action, v)
			}
			m, err := wsd.Parse(a.data)
			if err != nil {
				t.Fatal(err)
			}
			if m.Version != v || m.Action != request.Action+1 || m.RelatesTo != request.MessageID || m.MessageID == request.MessageID {
				t.Errorf("%s of %s is answered by %+v", request.Action, v, m)
			}
			if m.Sequence == nil || m.Sequence.InstanceID != 8 || m.Sequence.MessageNumber != 1 {
				t.Errorf("sequence is %+v", m.Sequence)
			}
			e := m.Endpoints[0]
			if e.EPR != serverEPR || e.MetadataVersion != 3 || !slices.Equal(e.XAddrs, []string{"mqtts://192.0.2.1:7237"}) {
				t.Errorf("endpoint is %+v", e)
			}
			if a.copies != 2 {
				t.Errorf("%d copies", a.copies)
			}
		}
	}
}

// What gets no answer, although all but one detail is right, and what it counts as.
func TestSilence(t *testing.T) {
	match := wsd.Query{Types: []wsd.Name{serverType}}
	good := mustMarshal(t, probe(wsd.Version11, match))
	tests := map[string]struct {
		packet packet
		want   fate
	}{
		"other type":      {multicast(mustMarshal(t, probe(wsd.Version11, wsd.Query{Types: []wsd.Name{{Space: "urn:x", Local: "Server"}}}))), ignored},
		"other scope":     {multicast(mustMarshal(t, probe(wsd.Version11, wsd.Query{Scopes: []string{"vitrine://other"}}))), ignored},
		"other endpoint":  {multicast(mustMarshal(t, &wsd.Message{Version: wsd.Version11, Action: wsd.Resolve, MessageID: newID(), Endpoints: []wsd.Endpoint{{EPR: "urn:uuid:1"}}})), ignored},
		"hello":           {multicast(mustMarshal(t, &wsd.Message{Version: wsd.Version11, Action: wsd.Hello, MessageID: newID(), Endpoints: []wsd.Endpoint{{EPR: serverEPR}}})), ignored},
		"answer":          {multicast(mustMarshal(t, &wsd.Message{Version: wsd.Version11, Action: wsd.ProbeMatches, MessageID: newID(), RelatesTo: newID()})), ignored},
		"reflection":      {multicast([]byte("<:/>")), malformed},
		"truncated":       {multicast(good[:len(good)-1]), malformed},
		"empty":           {multicast(nil), malformed},
		"privileged port": {packet{data: good, from: netip.MustParseAddrPort("192.0.2.9:53"), to: group4}, refused},
		"port 0":          {packet{data: good, from: netip.MustParseAddrPort("192.0.2.9:0"), to: group4}, refused},
	}
	for name, test := range tests {
		if a, got, _ := newResponder(testTarget(t, 0)).answer(testLink(), test.packet); a != nil || got != test.want {
			t.Errorf("%s is %s, want %s, and answered by %+v", name, fateNames[got], fateNames[test.want], a)
		}
	}
	if a, got, _ := newResponder(testTarget(t, 0)).answer(testLink(), multicast(good)); a == nil || got != accepted {
		t.Errorf("and the good one is %s", fateNames[got])
	}
}

func TestDuplicatesAndFloods(t *testing.T) {
	r := newResponder(testTarget(t, 0))
	data := mustMarshal(t, probe(wsd.Version2005, wsd.Query{}))
	other := multicast(data)
	other.from = netip.MustParseAddrPort("192.0.2.10:50000")
	for i, step := range []struct {
		packet packet
		want   fate
	}{{multicast(data), accepted}, {multicast(data), repeated}, {other, accepted}} {
		if _, got, _ := r.answer(testLink(), step.packet); got != step.want {
			t.Errorf("datagram %d is %s, want %s", i, fateNames[got], fateNames[step.want])
		}
	}
	fates := map[fate]int{}
	for range 10 * targetPerSource {
		_, got, _ := r.answer(testLink(), multicast(mustMarshal(t, probe(wsd.Version11, wsd.Query{}))))
		fates[got]++
	}
	if fates[accepted] == 0 || fates[accepted] > 2*targetPerSource || fates[accepted]+fates[limited] != 10*targetPerSource {
		t.Errorf("a flood is %v", fates)
	}
}

// The smallest Probe that is answered must not be worth forging.
func TestGain(t *testing.T) {
	target := testTarget(t, 0)
	for _, xaddrs := range []int{0, 4, 16} {
		target.XAddrs = func(netip.Addr) []string {
			return slices.Repeat([]string{"https://" + strings.Repeat("a", 100) + ".example:7237"}, xaddrs)
		}
		data := mustMarshal(t, probe(wsd.Version11, wsd.Query{}))
		sent := 0
		if a, _, _ := newResponder(target).answer(testLink(), multicast(data)); a != nil {
			sent = a.copies * len(a.data)
		}
		if sent > maxGain*len(data) {
			t.Errorf("%d bytes for %d", sent, len(data))
		}
		if answered := sent > 0; answered != (xaddrs < 16) {
			t.Errorf("with %d addresses: %d bytes for %d", xaddrs, sent, len(data))
		}
	}
}

// The wait before the answer to a multicast is random up to the maximum, and a directed Probe or a Resolve needs none.
func TestDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := testTarget(t, 0)
		target.MaxDelay = 100 * time.Millisecond
		r := newResponder(target)
		directed := multicast(nil)
		directed.to = netip.MustParseAddr("192.0.2.1")
		var longest time.Duration
		for i := range 40 {
			wait(t.Context(), time.Second) // so that no limit is reached
			p := directed
			if i%2 == 0 {
				p = multicast(nil)
			}
			p.data = mustMarshal(t, probe(wsd.Version11, wsd.Query{Types: []wsd.Name{serverType}, Scopes: []string{"vitrine://site/role/main"}}))
			start := time.Now()
			var times []time.Duration
			r.receive(t.Context(), func([]byte, packet) error {
				times = append(times, time.Since(start))
				return nil
			}, testLink(), p)
			r.pending.Wait()
			if len(times) != 2 {
				t.Fatalf("%d copies", len(times))
			}
			if limit := target.MaxDelay * time.Duration(1-i%2); times[0] > limit {
				t.Errorf("answered after %v, want at most %v", times[0], limit)
			}
			if gap := times[1] - times[0]; gap < udpMinDelay || gap > udpMaxDelay {
				t.Errorf("second copy after %v", gap)
			}
			longest = max(longest, times[0])
		}
		if longest < target.MaxDelay/4 {
			t.Errorf("the longest of 20 random waits is %v", longest)
		}
	})
}

// A flood of Probes must not fill the memory with answers that wait.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newResponder(testTarget(t, 0))
		r.maxDelay = time.Hour
		for i := range 4 {
			wait(t.Context(), time.Second)
			for j := range 100 {
				p := multicast(mustMarshal(t, probe(wsd.Version11, wsd.Query{})))
				p.from = netip.AddrPortFrom(host(100*i+j), 5000)
				r.receive(t.Context(), func([]byte, packet) error { return nil }, testLink(), p)
			}
		}
		if n := len(r.waiting); n != maxPending {
			t.Errorf("%d answers wait, want %d", n, maxPending)
		}
		wait(t.Context(), 2*time.Hour)
		if n := len(r.waiting); n != 0 {
			t.Errorf("%d answers still wait", n)
		}
	})
}

func TestRunRefusesWhatCannotBeAnnounced(t *testing.T) {
	target := testTarget(t, networktest.FreePort(t))
	target.EPR = ""
	if err := target.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "endpoint reference") {
		t.Errorf("no endpoint reference: %v", err)
	}
	if target.String() == "" {
		t.Error("no name")
	}
}
