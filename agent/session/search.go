package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"vitrine/agent/protocol"
)

// Times of a search.
const (
	// attemptDelay is how long the next known address waits for the one before it, unless that one fails (RFC 8305, section 5).
	attemptDelay = 250 * time.Millisecond
	// attemptTimeout bounds one attempt, from the first packet to the end of the handshake.
	attemptTimeout = 10 * time.Second
)

// known are the servers that don't need a search: the one of the last session first, then the best.
func (s *Session) known() []Candidate {
	var list []Candidate
	for _, c := range s.config.Servers() {
		at := slices.IndexFunc(list, func(o Candidate) bool { return o.Addr == c.Addr })
		switch {
		case at < 0:
			list = append(list, c)
		case list[at].Announced.Role == "":
			// A configured address of which the site has more to say.
			list[at].Announced = c.Announced
		}
	}
	place := s.config.Place()
	slices.SortStableFunc(list, func(a, b Candidate) int { return Compare(a, b, place) })
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last.Addr == "" {
		return list
	}
	if at := slices.IndexFunc(list, func(c Candidate) bool { return c.Addr == last.Addr }); at >= 0 {
		last = list[at]
		list = slices.Delete(list, at, at+1)
	}
	return slices.Insert(list, 0, last)
}

// A search is one round of looking for servers. Its owner ends it by close.
type search struct {
	session *Session
	out     chan Candidate
	// hurry makes the next known address not wait any longer: the one before it has failed.
	hurry  chan struct{}
	cancel context.CancelFunc

	mu   sync.Mutex
	seen map[string]bool
}

// look begins a search: out has the server of the last session and those known, one every attemptDelay, and those that discovery finds,
// at once; but a found backup is held back for attemptDelay, in which a main server will have answered too. Servers that asked to be left
// alone are left out. out is closed when the search is over.
func (s *Session) look(ctx context.Context) *search {
	ctx, cancel := context.WithCancel(ctx)
	r := &search{session: s, out: make(chan Candidate), hurry: make(chan struct{}, 1), cancel: cancel, seen: map[string]bool{}}
	var sources sync.WaitGroup
	sources.Go(func() {
		for _, c := range s.known() {
			if r.give(ctx, c) {
				r.pause(ctx)
			}
		}
	})
	found := func(c Candidate) {
		if c.Role != protocol.RoleBackup {
			r.give(ctx, c)
			return
		}
		sources.Go(func() {
			sleep(ctx, attemptDelay)
			r.give(ctx, c)
		})
	}
	sources.Go(func() {
		if err := s.config.Discover(ctx, found); err != nil && ctx.Err() == nil {
			s.log.Debug("Discovery failed", "err", err)
		}
	})
	go func() {
		sources.Wait()
		close(r.out)
	}()
	return r
}

// give passes a candidate on, if it is new and may be asked.
func (r *search) give(ctx context.Context, c Candidate) bool {
	r.mu.Lock()
	old := r.seen[c.Addr]
	r.seen[c.Addr] = true
	r.mu.Unlock()
	if old || r.session.heldBack(c.Addr) > 0 {
		return false
	}
	select {
	case r.out <- c:
	case <-ctx.Done():
	}
	return true
}

func (r *search) pause(ctx context.Context) {
	timer := time.NewTimer(attemptDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.hurry:
	case <-ctx.Done():
	}
}

// close ends the search and waits for its goroutines.
func (r *search) close() {
	r.cancel()
	for range r.out {
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// attempted is the outcome of one connection attempt.
type attempted struct {
	conn   *tls.Conn
	server Candidate
	err    error
}

// An attemptError says with which server an attempt failed.
type attemptError struct {
	addr string
	err  error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// find tries servers side by side as they are found, and gives a link to the first that proves itself and takes the viewer. The
// attempts that lose are stopped and waited for. The error is that of a server that refused the viewer, if there is one, or else the
// last.
func (s *Session) find(ctx context.Context) (*link, error) {
	config, err := s.config.Identity.TLS(protocol.ALPNMQTT)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	round := s.look(ctx)
	results := make(chan attempted)
	var attempts sync.WaitGroup
	defer func() {
		cancel()
		round.close()
		attempts.Wait()
	}()
	candidates, failed := round.out, map[string]error{}
	err = s.none()
	for running := 0; candidates != nil || running > 0; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case c, ok := <-candidates:
			if !ok {
				candidates = nil
				break
			}
			running++
			attempts.Go(func() {
				conn, err := s.dial(ctx, c.Addr, config)
				select {
				case results <- attempted{conn, c, err}:
				case <-ctx.Done():
					if conn != nil {
						conn.Close()
					}
				}
			})
		case r := <-results:
			running--
			if r.err == nil {
				s.set(protocol.StateConnecting, r.server.Addr, nil)
				var l *link
				if l, r.err = s.openSoon(ctx, r, running > 0 || len(s.known()) > 1); r.err == nil {
					l.failed = failed
					return l, nil
				}
			}
			r.err = fmt.Errorf("%s: %w", r.server.Addr, r.err)
			failed[r.server.Addr] = r.err
			s.log.Debug("A connection attempt failed", "err", r.err)
			s.holdBack(r.server.Addr, r.err)
			poke(round.hurry)
			if !errors.Is(err, errRefused) {
				err = &attemptError{r.server.Addr, r.err}
			}
		}
	}
	return nil, err
}

// openSoon opens a link; soon, while other servers wait to be tried. One that takes connections may be unable to answer, as a node of a cluster
// that has lost the others.
func (s *Session) openSoon(ctx context.Context, r attempted, others bool) (*link, error) {
	timeout := ackTimeout
	if others {
		timeout = checkTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.open(ctx, r.conn, r.server)
}

// dial makes one TLS connection.
func (s *Session) dial(ctx context.Context, addr string, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	began := time.Now()
	raw, err := s.connectTCP(ctx, addr)
	rtt := time.Since(began)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("the server took the connection and then said nothing: %w", ctx.Err())
		}
		return nil, err
	}
	s.paths.goes(addr, proxyOf(raw))
	s.paths.reached(addr, rtt, s.config.KeepAlive)
	return conn, nil
}

// connectTCP connects to addr, whose name may be one that just now can't be resolved: then the address that it had will do.
func (s *Session) connectTCP(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := s.config.Dial(ctx, "tcp", addr)
	_, unresolved := errors.AsType[*net.DNSError](err)
	switch {
	case err == nil && proxyOf(conn) == "":
		s.resolve(addr, conn.RemoteAddr().String())
	case unresolved:
		s.mu.Lock()
		before := s.resolved[addr]
		s.mu.Unlock()
		if before != "" {
			s.log.Debug("The server's name can't be resolved; trying its last address", "server", addr, "address", before, "err", err)
			return s.config.Dial(ctx, "tcp", before)
		}
	}
	return conn, err
}

// proxyOf is the "host:port" of the proxy that a connection goes through; empty if there is none.
func proxyOf(conn net.Conn) string {
	if through, ok := conn.(interface{ Proxy() string }); ok {
		return through.Proxy()
	}
	return ""
}

// resolve remembers the address behind a name.
func (s *Session) resolve(addr, is string) {
	if addr == is {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.resolved) >= maxPaths {
		clear(s.resolved)
	}
	s.resolved[addr] = is
}

// serverKey is the public key by which the server of a connection proved itself.
func serverKey(conn *tls.Conn) string {
	certs := conn.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return ""
	}
	return string(certs[0].RawSubjectPublicKeyInfo)
}

// A held server is left alone until then.
type held struct {
	until time.Time
	err   error
}

// holdBack leaves a server alone for as long as it asked for, and up to half as long again, so that a fleet comes back spread out.
func (s *Session) holdBack(addr string, err error) {
	after := retryAfter(err)
	if after == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) >= maxPaths {
		clear(s.held)
	}
	s.held[addr] = held{time.Now().Add(after + rand.N(max(1, after/2))), err}
}

// heldBack is how long a server is still left alone.
func (s *Session) heldBack(addr string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(s.held[addr].until)
}

// none is why there is nobody to try: no server is known, or the one that is wants to be left alone.
func (s *Session) none() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if time.Until(h.until) > 0 {
			return h.err
		}
	}
	return errNoServer
}
