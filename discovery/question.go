package discovery

import (
	"net/netip"
	"sync"
	"time"

	"vitrine/discovery/wsd"
)

// A question is one request as it is sent: one version, one socket, and the places that it goes to, with one MessageID.
type question struct {
	request *wsd.Message
	data    []byte
	to      []netip.AddrPort
	copies  int
	asker   *asker // set when answers are expected

	mu    sync.Mutex
	first time.Time
	each  map[netip.Addr]time.Time // when the first copy left, where there are several places
}

func newQuestion(v wsd.Version, request wsd.Message, to []netip.AddrPort, copies int) (*question, error) {
	request.Version, request.MessageID = v, newID()
	data, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	return &question{request: &request, data: data, to: to, copies: copies, each: map[netip.Addr]time.Time{}}, nil
}

// leaves notes that a copy is about to leave.
func (q *question) leaves(to netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if q.first.IsZero() {
		q.first = now
	}
	if _, again := q.each[to]; len(q.to) > 1 && !again {
		q.each[to] = now
	}
}

// age is how old the question was, to whoever answers from that address, at some time.
func (q *question) age(from netip.Addr, at time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if sent, ok := q.each[from]; ok {
		return at.Sub(sent)
	}
	return at.Sub(q.first)
}

// answeredBy tells whether a message is of the kind and version that answers the question.
func (q *question) answeredBy(m *wsd.Message) bool {
	want := wsd.ProbeMatches
	if q.request.Action == wsd.Resolve {
		want = wsd.ResolveMatches
	}
	return m.Version == q.request.Version && m.Action == want
}

// accepts tells whether a target is what was asked for: many devices answer every Probe, and one answers every Resolve.
func (q *question) accepts(e wsd.Endpoint) bool {
	if q.request.Action == wsd.Resolve {
		return wsd.CanonicalID(e.EPR) == wsd.CanonicalID(q.request.Endpoints[0].EPR)
	}
	return q.request.Query.Matches(q.request.Version, e)
}
