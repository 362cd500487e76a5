package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/discovery/wsd"
)

const (
	// targetPerSource and targetOverall are how many datagrams a second are parsed: a client sends about ten in a round.
	targetPerSource = 50
	targetOverall   = 200
	// targetRecent is how many messages are known again as copies: at the rate that a target takes in all, five seconds.
	targetRecent = 1024
	// maxPending bounds the answers that wait for their moment.
	maxPending = 256
	// maxGain is how many bytes may leave, all copies together, for each byte of the request.
	maxGain = 4
	// timerSlack is how late a timer is on average: an idle program sleeps in whole milliseconds.
	timerSlack = 500 * time.Microsecond
	// minSourcePort keeps away what a forged source makes of an answer: input to another service on this network.
	minSourcePort = 1024
)

// A responder decides what a Target says. It has no sockets.
type responder struct {
	target   *Target
	log      *slog.Logger
	maxDelay time.Duration
	delay    func(time.Duration) time.Duration
	instance uint32
	sequence string // of this run, since two runs within a second have the same instance
	number   atomic.Uint32
	limiter  *limiter
	recent   *recent
	waiting  chan struct{}
	pending  sync.WaitGroup
}

func newResponder(t *Target) *responder {
	r := &responder{
		target: t, log: orDiscard(t.Log), maxDelay: t.MaxDelay, delay: t.delay, instance: t.InstanceID, sequence: newID(),
		limiter: newLimiter(targetPerSource, targetOverall), recent: newRecent(targetRecent), waiting: make(chan struct{}, maxPending),
	}
	if r.maxDelay == 0 {
		r.maxDelay = appMaxDelay
	}
	if r.delay == nil {
		r.delay = randomDelay
	}
	if r.instance == 0 {
		r.instance = uint32(time.Now().Unix())
	}
	return r
}

// announcement writes a Hello or a Bye.
func (r *responder) announcement(v wsd.Version, action wsd.Action, local netip.Addr) ([]byte, error) {
	return r.marshal(&wsd.Message{Version: v, Action: action, Endpoints: []wsd.Endpoint{r.endpoint(local)}})
}

// endpoint is what a peer is told that reaches this machine at local.
func (r *responder) endpoint(local netip.Addr) wsd.Endpoint {
	t := r.target
	e := wsd.Endpoint{EPR: t.EPR, Types: t.Types, Scopes: t.Scopes, MetadataVersion: t.MetadataVersion}
	if t.XAddrs != nil {
		// A zone is this machine's name for one of its interfaces and means nothing to others.
		e.XAddrs = t.XAddrs(local.WithZone(""))
	}
	return e
}

// marshal adds what every message of a target has.
func (r *responder) marshal(m *wsd.Message) ([]byte, error) {
	m.MessageID = newID()
	m.Sequence = &wsd.Sequence{InstanceID: r.instance, SequenceID: r.sequence, MessageNumber: r.number.Add(1)}
	return m.Marshal()
}

// receive answers one datagram that came in on link l, if it deserves it, in a goroutine that ends with ctx.
func (r *responder) receive(ctx context.Context, send func([]byte, packet) error, l *link, p packet) (fate, error) {
	came := time.Now()
	a, verdict, err := r.answer(l, p)
	if a == nil {
		return verdict, err
	}
	select {
	case r.waiting <- struct{}{}:
	default:
		return limited, nil
	}
	p.data = nil // only valid during this call
	r.pending.Go(func() {
		defer func() { <-r.waiting }()
		if !wait(ctx, a.delay-time.Since(came)-timerSlack) {
			return
		}
		if err := transmit(ctx, a.copies, func() error { return send(a.data, p) }); err != nil {
			r.log.Debug("A request could not be answered", "peer", p.from, "err", err)
		}
	})
	return verdict, nil
}

// A reply is what is to be sent, how often, and when.
type reply struct {
	data   []byte
	copies int
	delay  time.Duration
}

// answer gives nil for everything that must stay without an answer, and what it was.
func (r *responder) answer(l *link, p packet) (*reply, fate, error) {
	if p.from.Port() < minSourcePort {
		return nil, refused, nil
	}
	if !r.limiter.allow(p.from.Addr()) {
		return nil, limited, nil
	}
	request, err := wsd.Parse(p.data)
	if err != nil {
		return nil, malformed, err
	}
	local := p.to
	if !local.IsValid() || local.IsMulticast() {
		local = l.facing(p.from.Addr())
	}
	m := r.respond(request, r.endpoint(local))
	if m == nil {
		return nil, ignored, nil
	}
	if r.recent.repeated(p.from.Addr(), request.MessageID) {
		return nil, repeated, nil
	}
	data, err := r.marshal(m)
	if err != nil {
		r.log.Warn("This service can't be announced", "interface", l.iface.Name, "err", err)
		return nil, ignored, nil
	}
	copies := min(request.Version.UnicastCopies(), maxGain*len(p.data)/len(data))
	if copies == 0 {
		return nil, refused, fmt.Errorf("the answer would have %d bytes, more than %d times the %d of the request", len(data), maxGain, len(p.data))
	}
	a := &reply{data: data, copies: copies}
	if request.Action == wsd.Probe && (!p.to.IsValid() || p.to.IsMulticast()) {
		a.delay = r.delay(r.maxDelay)
	}
	return a, accepted, nil
}

// respond makes the answer in the version that was asked in, or nil: a target that isn't meant stays silent (sections
// 5.3 and 6.3).
func (r *responder) respond(request *wsd.Message, self wsd.Endpoint) *wsd.Message {
	m := &wsd.Message{Version: request.Version, RelatesTo: request.MessageID, Endpoints: []wsd.Endpoint{self}}
	switch {
	case request.Action == wsd.Probe && request.Query.Matches(request.Version, self):
		m.Action = wsd.ProbeMatches
	case request.Action == wsd.Resolve && wsd.CanonicalID(request.Endpoints[0].EPR) == wsd.CanonicalID(self.EPR):
		m.Action = wsd.ResolveMatches
	default:
		return nil
	}
	return m
}
