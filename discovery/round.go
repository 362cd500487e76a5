package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"vitrine/discovery/wsd"
)

const (
	// clientPerSource and clientOverall are how many datagrams a second are parsed, copies not counted. A host may run many
	// targets, and a thousand targets answer both versions over both families within half a second.
	clientPerSource = 400
	clientOverall   = 4000
	// clientRecent is how many datagrams are known again as copies.
	clientRecent = 8192
	// maxResolves bounds the requests that answers can cause in one round: what they cost the network is known beforehand.
	maxResolves = 256
)

// A round is one call of Probe or Resolve.
type round struct {
	client   *Client
	requests []wsd.Message // without version and MessageID
	log      *slog.Logger
	links    neighbourhood
	limiter  *limiter
	recent   *recent
	answers  chan answer
	asked    chan struct{} // closed when all copies of all questions have left, or failed
	tasks    sync.WaitGroup

	mu        sync.Mutex
	questions map[string]*question // by MessageID
	resolves  int
	sent      bool
	errs      []error
}

func (c *Client) newRound(requests []wsd.Message) (*round, error) {
	// What can't be written is a mistake of the caller's, better known before anything leaves.
	for _, request := range requests {
		for _, v := range versions {
			if _, err := newQuestion(v, request, nil, 1); err != nil {
				return nil, err
			}
		}
	}
	links, err := findLinks(nil)
	if err != nil {
		return nil, err
	}
	return &round{
		client: c, requests: requests, log: orDiscard(c.Log), links: links,
		limiter: newLimiter(clientPerSource, clientOverall), recent: newRecent(clientRecent),
		answers: make(chan answer), asked: make(chan struct{}), questions: map[string]*question{},
	}, nil
}

// start sends on every link and to every host, each from a goroutine of its own: a name that takes long to resolve or an
// interface that blocks holds up nothing else.
func (r *round) start(ctx context.Context) {
	var asking sync.WaitGroup
	usable, err := findLinks(r.client.Interfaces)
	r.failed(err)
	for i := range usable {
		for turn, local := range usable[i].sources() {
			asking.Go(func() {
				if turn == 0 || wait(ctx, time.Duration(turn)*addressGap) {
					r.failed(r.askLink(ctx, &usable[i], local))
				}
			})
		}
	}
	for _, host := range r.client.Hosts {
		asking.Go(func() { r.failed(r.askHost(ctx, host, false)) })
	}
	for _, proxy := range r.client.Proxies {
		asking.Go(func() { r.failed(r.askHost(ctx, proxy, true)) })
	}
	r.tasks.Go(func() {
		asking.Wait()
		close(r.asked)
	})
}

// askLink multicasts on one link.
func (r *round) askLink(ctx context.Context, l *link, local netip.Addr) error {
	s, err := openProbing(ctx, l, netip.AddrPortFrom(local, r.client.SourcePort))
	if err != nil {
		return fmt.Errorf("%s: %w", l.iface.Name, err)
	}
	to := s.groupAddress(l, orPort(r.client.Port))
	if err := r.newAsker(s, l).ask(ctx, []netip.AddrPort{to}, wsd.Version.MulticastCopies); err != nil {
		return fmt.Errorf("%s: %w", l.iface.Name, err)
	}
	return nil
}

// failed keeps one way's error for the case that there is no other way.
func (r *round) failed(err error) {
	if err == nil {
		return
	}
	r.log.Debug("A probe could not be sent", "err", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// errNoWay is why a round fails that has no interface and no host to ask.
var errNoWay = errors.New("no network interface is up")

// failure is nil as soon as one question has left.
func (r *round) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent {
		return nil
	}
	err := errors.Join(r.errs...)
	if err == nil {
		err = errNoWay
	}
	return fmt.Errorf("no probe could be sent: %w", err)
}

// expect lets answers to a question in.
func (r *round) expect(a *asker, q *question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q.asker = a
	r.questions[q.request.MessageID] = q
}

// questionOf finds what a message answers. It must have come to the socket that asked; with one source port for all
// sockets the system chooses among them.
func (r *round) questionOf(a *asker, m *wsd.Message) *question {
	r.mu.Lock()
	q := r.questions[wsd.CanonicalID(m.RelatesTo)]
	r.mu.Unlock()
	if q == nil || !q.answeredBy(m) || q.asker != a && r.client.SourcePort == 0 {
		return nil
	}
	return q
}

// mayResolve takes one from the number of Resolves that the round may send.
func (r *round) mayResolve() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resolves++
	return r.resolves <= maxResolves
}
