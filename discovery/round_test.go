package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vitrine/discovery/wsd"
)

// testAsker has asked on testLink, without a socket.
func testAsker(t *testing.T) (*asker, *wsd.Message) {
	r, err := (&Client{Log: testLog(t)}).newRound(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.links, r.answers = neighbourhood{*testLink()}, make(chan answer, 10*clientPerSource)
	a := &asker{round: r, link: testLink(), resolved: map[string]bool{}}
	q, err := newQuestion(wsd.Version11, wsd.Message{Action: wsd.Probe}, []netip.AddrPort{{}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.expect(a, q)
	q.leaves(netip.Addr{})
	return a, &wsd.Message{
		Version: wsd.Version11, Action: wsd.ProbeMatches, MessageID: newID(), RelatesTo: q.request.MessageID,
		Endpoints: []wsd.Endpoint{{EPR: serverEPR, XAddrs: []string{"mqtts://192.0.2.9:7237"}}},
	}
}

// read is what happens to one datagram, from the socket to the caller.
func (a *asker) read(ctx context.Context, p packet) fate {
	if f := a.admit(p); f != accepted {
		return f
	}
	f, _ := a.judge(ctx, arrival{p, time.Now()})
	return f
}

// Who may answer, and what each answer counts as.
func TestAnswersAreJudged(t *testing.T) {
	far := netip.MustParseAddrPort("203.0.113.5:3702")
	for name, test := range map[string]struct {
		from   netip.AddrPort
		change func(*asker, *wsd.Message)
		want   fate
	}{
		"on-link":               {peer, func(*asker, *wsd.Message) {}, accepted},
		"off-link":              {far, func(*asker, *wsd.Message) {}, refused},
		"off-link, asked there": {far, func(a *asker, _ *wsd.Message) { a.link = nil }, accepted},
		"to another question":   {peer, func(_ *asker, m *wsd.Message) { m.RelatesTo = newID() }, unasked},
		"to another kind":       {peer, func(_ *asker, m *wsd.Message) { m.Action = wsd.ResolveMatches }, unasked},
		"in the other version":  {peer, func(_ *asker, m *wsd.Message) { m.Version = wsd.Version2005 }, unasked},
		"to another socket":     {peer, func(a *asker, m *wsd.Message) { a.round.questions[m.RelatesTo].asker = nil }, unasked},
		"to the one source port": {peer, func(a *asker, m *wsd.Message) {
			a.round.questions[m.RelatesTo].asker, a.round.client.SourcePort = nil, 1
		}, accepted},
		"no match": {peer, func(_ *asker, m *wsd.Message) { m.Endpoints = nil }, ignored},
		"of another type": {peer, func(a *asker, m *wsd.Message) {
			a.round.questions[m.RelatesTo].request.Query.Types = []wsd.Name{serverType}
		}, ignored},
	} {
		a, match := testAsker(t)
		test.change(a, match)
		if got := a.read(t.Context(), packet{data: mustMarshal(t, match), from: test.from}); got != test.want {
			t.Errorf("%s: %s, want %s", name, fateNames[got], fateNames[test.want])
		}
		if got := a.read(t.Context(), packet{data: mustMarshal(t, match), from: test.from}); got != repeated && got != refused {
			t.Errorf("%s, again: %s", name, fateNames[got])
		}
		if taken := len(a.round.answers) == 1; taken != (test.want == accepted) {
			t.Errorf("%s: %d answers were handed over", name, len(a.round.answers))
		}
	}
}

// A host that floods answers costs no more than its share, and the next one is still heard.
func TestFloodOfAnswers(t *testing.T) {
	a, match := testAsker(t)
	read := func(from netip.AddrPort) {
		match.MessageID = newID()
		p := packet{data: mustMarshal(t, match), from: from}
		a.count(a.read(t.Context(), p), p, nil)
	}
	for range 5 * clientPerSource {
		read(peer)
	}
	c := a.round.client.Counters()
	if c.Accepted < clientPerSource || c.Accepted > 3*clientPerSource || c.Accepted+c.Limited != 5*clientPerSource {
		t.Errorf("a flood is %+v", c)
	}
	before := c.Accepted
	read(netip.MustParseAddrPort("192.0.2.10:3702"))
	if a.round.client.Counters().Accepted != before+1 {
		t.Error("a flood shut out another host")
	}
}

// Ten thousand forged devices fill neither the memory nor the place of the one behind them.
func TestFloodOfDevices(t *testing.T) {
	c := newCatalogue()
	forged := answer{device: Device{From: peer}}
	for i := range 10_000 {
		forged.device.EPR = fmt.Sprintf("urn:forged:%d", i)
		c.add(forged)
	}
	if len(c.entries) != maxDevicesPerSource {
		t.Errorf("%d devices of one source are kept, want %d", len(c.entries), maxDevicesPerSource)
	}
	honest := answer{device: Device{From: netip.MustParseAddrPort("192.0.2.10:3702")}}
	honest.device.EPR = serverEPR
	if _, news := c.add(honest); !news {
		t.Error("the honest one is lost")
	}
}

// What is too much for the queue is counted, and nobody waits.
func TestFullQueue(t *testing.T) {
	a, match := testAsker(t)
	a.queue = make(chan arrival, 2)
	for range 5 {
		match.MessageID = newID()
		a.receive(packet{data: mustMarshal(t, match), from: peer})
	}
	if c := a.round.client.Counters(); len(a.queue) != 2 || c.Limited != 3 {
		t.Errorf("%d wait, %+v", len(a.queue), c)
	}
}
