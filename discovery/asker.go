package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vitrine/discovery/wsd"
)

// pace is the least time between two datagrams of one question that goes to many places, so that a subnet behind a thin
// line isn't flooded: 500 a second, of about 700 bytes each.
const pace = 2 * time.Millisecond

// What is asked on one link leaves one after the other: from each address after addressGap, and the second version versionGap
// after the first. A slow device has answered by then, instead of reading more questions first that it may not even
// understand; and whoever has found what was looked for doesn't send the rest.
const (
	addressGap = 10 * time.Millisecond
	versionGap = 20 * time.Millisecond
)

// An asker is one socket with what is asked from it.
type asker struct {
	round  *round
	socket *socket
	link   *link // nil for what is asked of hosts
	// proxy tells that a discovery proxy is asked, which answers for others.
	proxy bool
	queue chan arrival

	mu       sync.Mutex
	resolved map[string]bool // EPRs that were asked for by a Resolve
}

func (r *round) newAsker(s *socket, l *link) *asker {
	s.enlarge()
	return &asker{round: r, socket: s, link: l, queue: make(chan arrival, maxQueue), resolved: map[string]bool{}}
}

// ask puts every request of the round in both versions, sends all copies, and returns an error if not one could be sent.
// Reading goes on until ctx ends; then the socket is closed.
func (a *asker) ask(ctx context.Context, to []netip.AddrPort, copies func(wsd.Version) int) error {
	var questions []*question
	for _, request := range a.round.requests {
		for _, v := range versions {
			q, err := newQuestion(v, request, to, copies(v))
			if err != nil {
				a.socket.close()
				return err
			}
			questions = append(questions, q)
			a.round.expect(a, q)
		}
	}
	a.round.tasks.Go(func() {
		defer a.socket.close()
		a.socket.readAll(ctx, a.receive)
	})
	a.round.tasks.Go(func() { a.work(ctx) })
	errs := make([]error, len(questions))
	var sending sync.WaitGroup
	for i, q := range questions {
		sending.Go(func() {
			if q.request.Version != versions[0] && !wait(ctx, versionGap) {
				return
			}
			errs[i] = a.put(ctx, q)
		})
	}
	sending.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errs[0]
}

// put sends all copies of one question.
func (a *asker) put(ctx context.Context, q *question) error {
	return transmit(ctx, q.copies, func() error {
		err := fmt.Errorf("nobody to ask")
		for i, to := range q.to {
			if i > 0 && !wait(ctx, pace) {
				break
			}
			if e := a.send(q, to); e == nil || i == 0 {
				err = e
			}
		}
		return err
	})
}

func (a *asker) send(q *question, to netip.AddrPort) error {
	q.leaves(to.Addr())
	err := a.socket.send(q.data, to)
	if err == nil {
		a.round.mu.Lock()
		a.round.sent = true
		a.round.mu.Unlock()
	}
	return err
}

// maxQueue is how many datagrams wait to be taken apart. Reading on meanwhile keeps the system's own queue, which is short,
// from overflowing when a whole network answers at once.
const maxQueue = 1024

// An arrival is a datagram that waits.
type arrival struct {
	packet
	at time.Time
}

// receive queues what is worth taking apart; the rest is counted at once.
func (a *asker) receive(p packet) {
	at := time.Now()
	if f := a.admit(p); f != accepted {
		a.count(f, p, nil)
		return
	}
	p.data = slices.Clone(p.data) // only valid during this call
	select {
	case a.queue <- arrival{p, at}:
	default:
		a.count(limited, p, nil)
	}
}

// admit tells whether a datagram is worth taking apart.
func (a *asker) admit(p packet) fate {
	r := a.round
	switch {
	case a.link != nil && !r.links.delivers(a.link, p.from.Addr()):
		return refused
	case r.recent.repeated(p.from.Addr(), string(p.data)):
		return repeated
	case !r.limiter.allow(p.from.Addr()):
		return limited
	}
	return accepted
}

// work takes datagrams apart until ctx ends.
func (a *asker) work(ctx context.Context) {
	for {
		select {
		case p := <-a.queue:
			f, err := a.judge(ctx, p)
			a.count(f, p.packet, err)
		case <-ctx.Done():
			return
		}
	}
}

func (a *asker) count(f fate, p packet, err error) {
	a.round.client.tally.count(a.round.log, f, p.from, err)
}

// judge hands over what a datagram brings, and says what became of it.
func (a *asker) judge(ctx context.Context, p arrival) (fate, error) {
	m, err := wsd.Parse(p.data)
	if err != nil {
		return malformed, err
	}
	q := a.round.questionOf(a, m)
	if q == nil {
		return unasked, nil
	}
	verdict := ignored
	for _, e := range m.Endpoints {
		if q.accepts(e) {
			verdict = accepted
			a.handOver(ctx, q, e, p)
		}
	}
	return verdict, nil
}

// handOver passes a match on. One without addresses is asked for them: that is legal (section 5.3), and common.
func (a *asker) handOver(ctx context.Context, q *question, e wsd.Endpoint, p arrival) {
	from := p.from
	d := deviceOf(e, q.request.Version, from, a.link)
	d.RTT = q.age(from.Addr(), p.at)
	path := route{from: from.Addr(), link: a.link, links: a.round.links, proxied: a.proxy}
	select {
	case a.round.answers <- answer{d, path.rank(e.XAddrs)}:
	case <-ctx.Done():
		return
	}
	if len(e.XAddrs) == 0 && q.request.Action == wsd.Probe {
		a.resolve(ctx, q, e.EPR, from)
	}
}

// resolve asks by a Resolve (section 6.2) where a target is, once: multicast where the Probe was multicast, since some
// listen only there, and at the answer's source otherwise.
func (a *asker) resolve(ctx context.Context, q *question, epr string, from netip.AddrPort) {
	v := q.request.Version
	key := v.String() + " " + wsd.CanonicalID(epr)
	a.mu.Lock()
	old := a.resolved[key]
	a.resolved[key] = true
	a.mu.Unlock()
	if old || !a.round.mayResolve() {
		return
	}
	to, copies := q.to, v.MulticastCopies()
	if a.link == nil {
		// Answers come from any port, questions go to the one that was asked.
		to, copies = []netip.AddrPort{netip.AddrPortFrom(from.Addr(), q.to[0].Port())}, v.UnicastCopies()
	}
	follow, err := newQuestion(v, wsd.Message{Action: wsd.Resolve, Endpoints: []wsd.Endpoint{{EPR: epr}}}, to, copies)
	if err != nil {
		a.round.log.Debug("A device can't be asked for its addresses", "peer", from, "err", err)
		return
	}
	a.round.expect(a, follow)
	a.round.tasks.Go(func() {
		if err := a.put(ctx, follow); err != nil {
			a.round.log.Debug("A device could not be asked for its addresses", "peer", from, "err", err)
		}
	})
}
