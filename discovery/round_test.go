package discovery

import (
	"net/netip"
	"testing"
	"time"

	"vitrine/discovery/wsd"
)

// testAsker has asked on testLink, without a socket.
func testAsker(t *testing.T) (*asker, *wsd.Message) {
	q, err := newQuestion(wsd.Version11, wsd.Query{}, netip.AddrPort{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &round{
		links: neighbourhood{*testLink()}, limiter: newLimiter(clientPerSource, clientOverall), log: testLog(t),
		answers: make(chan answer, 10*clientPerSource),
	}
	now := time.Now()
	q.asked.Store(&now)
	return &asker{round: r, link: testLink(), questions: []*question{q}}, &wsd.Message{
		Version: wsd.Version11, Action: wsd.ProbeMatches, MessageID: newID(), RelatesTo: q.id, Endpoints: []wsd.Endpoint{{EPR: serverEPR}},
	}
}

// A perfect answer from a host that can't be on the link is a forged one.
func TestAnswersFromOffLink(t *testing.T) {
	a, match := testAsker(t)
	p := packet{data: mustMarshal(t, match), from: netip.MustParseAddrPort("203.0.113.5:3702")}
	a.receive(t.Context(), p)
	if len(a.round.answers) != 0 {
		t.Error("an answer from off-link was taken")
	}
	p.from = peer
	a.receive(t.Context(), p)
	if len(a.round.answers) != 1 {
		t.Error("an answer from on-link was not taken")
	}
	a.link = nil
	p.from = netip.MustParseAddrPort("203.0.113.5:3702")
	a.receive(t.Context(), p)
	if len(a.round.answers) != 2 {
		t.Error("an answer to a directed probe was not taken")
	}
}

// A host that floods answers costs no more than its share, and the next one is still heard.
func TestFloodOfAnswers(t *testing.T) {
	a, match := testAsker(t)
	p := packet{data: mustMarshal(t, match), from: peer}
	for range 5 * clientPerSource {
		a.receive(t.Context(), p)
	}
	taken := len(a.round.answers)
	if taken < clientPerSource || taken > 3*clientPerSource {
		t.Errorf("%d of a flood were parsed", taken)
	}
	p.from = netip.MustParseAddrPort("192.0.2.10:3702")
	a.receive(t.Context(), p)
	if len(a.round.answers) != taken+1 {
		t.Error("a flood shut out another host")
	}
}
