package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/discovery/wsd"
)

const (
	// clientPerSource and clientOverall are how many datagrams a second are parsed. A host may run many targets, and all
	// targets of a network answer within half a second, twice.
	clientPerSource = 400
	clientOverall   = 2000
	// maxAddressesPerHost bounds the Probes for a configured name.
	maxAddressesPerHost = 8
)

// A round is one call of Probe.
type round struct {
	client  *Client
	query   wsd.Query
	log     *slog.Logger
	links   neighbourhood
	limiter *limiter
	answers chan answer
	asked   chan struct{} // closed when all copies of all Probes have left, or failed
	tasks   sync.WaitGroup

	mu   sync.Mutex
	sent bool
	errs []error
}

func (c *Client) newRound(q wsd.Query) (*round, error) {
	// What can't be written is a mistake of the caller's, better known before anything leaves.
	for _, v := range versions {
		if _, err := newQuestion(v, q, netip.AddrPort{}, 1); err != nil {
			return nil, err
		}
	}
	links, err := findLinks(nil)
	if err != nil {
		return nil, err
	}
	return &round{
		client: c, query: q, log: orDiscard(c.Log), links: links, limiter: newLimiter(clientPerSource, clientOverall),
		answers: make(chan answer), asked: make(chan struct{}),
	}, nil
}

// start sends on every link and to every host, each from a goroutine of its own: a name that takes long to resolve or an
// interface that blocks holds up nothing else.
func (r *round) start(ctx context.Context) {
	var asking sync.WaitGroup
	usable, err := findLinks(r.client.Interfaces)
	r.failed(err)
	for i := range usable {
		for _, local := range usable[i].sources() {
			asking.Go(func() { r.failed(r.askLink(ctx, &usable[i], local)) })
		}
	}
	for _, host := range r.client.Hosts {
		asking.Go(func() { r.failed(r.askHost(ctx, host)) })
	}
	r.tasks.Go(func() {
		asking.Wait()
		close(r.asked)
	})
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

// askLink multicasts on one link.
func (r *round) askLink(ctx context.Context, l *link, local netip.Addr) error {
	s, err := openProbing(ctx, l, local)
	if err != nil {
		return fmt.Errorf("%s: %w", l.iface.Name, err)
	}
	a := &asker{round: r, socket: s, link: l}
	to := s.groupAddress(l, orPort(r.client.Port))
	for _, v := range versions {
		if err := a.prepare(v, to, v.MulticastCopies()); err != nil {
			s.close()
			return err
		}
	}
	if err := a.ask(ctx); err != nil {
		return fmt.Errorf("%s: %w", l.iface.Name, err)
	}
	return nil
}

// askHost sends to one configured host.
func (r *round) askHost(ctx context.Context, host string) error {
	addrs, err := resolve(ctx, host, orPort(r.client.Port))
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	var asking sync.WaitGroup
	for _, to := range addrs {
		asking.Go(func() {
			if err := r.askAddress(ctx, to); err != nil {
				r.failed(fmt.Errorf("%s: %w", host, err))
			}
		})
	}
	asking.Wait()
	return nil
}

func (r *round) askAddress(ctx context.Context, to netip.AddrPort) error {
	s, err := openSocket(ctx, netip.AddrPortFrom(unspecified(to.Addr()), 0), false)
	if err != nil {
		return err
	}
	a := &asker{round: r, socket: s}
	for _, v := range versions {
		if err := a.prepare(v, to, v.UnicastCopies()); err != nil {
			s.close()
			return err
		}
	}
	return a.ask(ctx)
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// resolve takes "host" or "host:port", IPv6 addresses with or without brackets.
func resolve(ctx context.Context, s string, port uint16) ([]netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), port)}, nil
	}
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("port %q: want a number from 1 to 65535", p)
		}
		host, port = h, uint16(n)
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range found[:min(len(found), maxAddressesPerHost)] {
		list = append(list, netip.AddrPortFrom(a.Unmap(), port))
	}
	return list, nil
}

// A question is one Probe: one version, one destination.
type question struct {
	id      string
	version wsd.Version
	data    []byte
	to      netip.AddrPort
	copies  int
	asked   atomic.Pointer[time.Time] // when the first copy left
}

func newQuestion(v wsd.Version, q wsd.Query, to netip.AddrPort, copies int) (*question, error) {
	id := newID()
	data, err := (&wsd.Message{Version: v, Action: wsd.Probe, MessageID: id, Query: q}).Marshal()
	if err != nil {
		return nil, err
	}
	return &question{id: id, version: v, data: data, to: to, copies: copies}, nil
}

// An asker is one socket with the Probes sent from it.
type asker struct {
	round     *round
	socket    *socket
	link      *link // nil for directed Probes
	questions []*question
}

func (a *asker) prepare(v wsd.Version, to netip.AddrPort, copies int) error {
	q, err := newQuestion(v, a.round.query, to, copies)
	if err == nil {
		a.questions = append(a.questions, q)
	}
	return err
}

// ask sends all copies of all Probes, and returns an error if no copy could be sent. Reading goes on until ctx ends.
func (a *asker) ask(ctx context.Context) error {
	a.round.tasks.Go(func() {
		defer a.socket.close()
		a.socket.readAll(ctx, func(p packet) { a.receive(ctx, p) })
	})
	errs := make([]error, len(a.questions))
	var sending sync.WaitGroup
	for i, q := range a.questions {
		sending.Go(func() {
			errs[i] = transmit(ctx, q.copies, func() error { return a.send(q) })
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

func (a *asker) send(q *question) error {
	now := time.Now()
	q.asked.CompareAndSwap(nil, &now)
	err := a.socket.send(q.data, q.to)
	if err == nil {
		a.round.mu.Lock()
		a.round.sent = true
		a.round.mu.Unlock()
	}
	return err
}

// receive hands over the matches of one datagram.
func (a *asker) receive(ctx context.Context, p packet) {
	now := time.Now()
	if a.link != nil && !a.round.links.delivers(a.link, p.from.Addr()) || !a.round.limiter.allow(p.from.Addr()) {
		return
	}
	m, err := wsd.Parse(p.data)
	if err != nil {
		a.round.log.Debug("A datagram was ignored", "peer", p.from, "err", err)
		return
	}
	q := a.questionOf(m)
	if q == nil {
		return
	}
	path := route{from: p.from.Addr(), link: a.link, links: a.round.links}
	for _, e := range m.Endpoints {
		if !a.round.query.Matches(m.Version, e) {
			continue
		}
		d := deviceOf(e, m.Version, p.from, a.link)
		d.RTT = now.Sub(*q.asked.Load())
		select {
		case a.round.answers <- answer{d, path.rank(e.XAddrs)}:
		case <-ctx.Done():
			return
		}
	}
}

// questionOf finds the Probe that a message answers.
func (a *asker) questionOf(m *wsd.Message) *question {
	if m.Action != wsd.ProbeMatches {
		return nil
	}
	for _, q := range a.questions {
		if q.version == m.Version && q.asked.Load() != nil && wsd.CanonicalID(m.RelatesTo) == q.id {
			return q
		}
	}
	return nil
}
