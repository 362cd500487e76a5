package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"vitrine/agent/protocol"
)

// Times of a connection attempt.
const (
	// attemptDelay is how long the next known address waits for the one before it (RFC 8305, section 5).
	attemptDelay = 250 * time.Millisecond
	// attemptTimeout bounds one attempt, from the first packet to the end of the handshake.
	attemptTimeout = 10 * time.Second
	// A server that vanished without a word is noticed after 20 s: TCP asks after 10 s without traffic, and twice in vain.
	keepAliveIdle     = 10 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 2
)

// candidates gives the servers to try: the one of the last session and those known, one every attemptDelay, and those that
// discovery finds, at once. A found backup is held back for attemptDelay, in which a main server will have answered too. It
// ends when the search is over and every known address has been given; until then it holds on to its goroutines, which end
// with ctx.
func (s *Session) candidates(ctx context.Context) <-chan Candidate {
	out := make(chan Candidate)
	var mu sync.Mutex
	seen := map[string]bool{}
	give := func(c Candidate) bool {
		mu.Lock()
		old := seen[c.Addr]
		seen[c.Addr] = true
		mu.Unlock()
		if old {
			return false
		}
		select {
		case out <- c:
		case <-ctx.Done():
		}
		return true
	}
	var sources sync.WaitGroup
	sources.Go(func() {
		for _, c := range s.known() {
			if give(c) {
				sleep(ctx, attemptDelay)
			}
		}
	})
	found := func(c Candidate) {
		if c.Role != protocol.RoleBackup {
			give(c)
			return
		}
		sources.Go(func() {
			sleep(ctx, attemptDelay)
			give(c)
		})
	}
	sources.Go(func() {
		if err := s.config.Discover(ctx, found); err != nil && ctx.Err() == nil {
			s.log.Debug("Discovery failed", "err", err)
		}
	})
	go func() {
		sources.Wait()
		close(out)
	}()
	return out
}

// drain waits for the goroutines behind candidates, once their context has ended.
func drain(candidates <-chan Candidate) {
	for range candidates {
	}
}

// known are the servers that don't need a search, best first.
func (s *Session) known() []Candidate {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	list := s.config.Servers()
	if last != "" {
		list = append(list, Candidate{Addr: last, Source: Remembered})
	}
	place := s.config.Place()
	slices.SortStableFunc(list, func(a, b Candidate) int { return Compare(a, b, place) })
	return list
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
	conn *tls.Conn
	addr string
	err  error
}

// dial tries candidates side by side as they come, and gives the first that proves itself. The attempts that lose are
// stopped and waited for.
func (s *Session) dial(ctx context.Context) (*tls.Conn, string, error) {
	config, err := s.config.Identity.TLS(protocol.ALPNMQTT)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	incoming := s.candidates(ctx)
	candidates := incoming
	results := make(chan attempted)
	var attempts sync.WaitGroup
	defer func() {
		cancel()
		drain(incoming)
		attempts.Wait()
	}()
	err = errNoServer
	for running := 0; ; {
		select {
		case c, ok := <-candidates:
			if !ok {
				candidates = nil
				break
			}
			running++
			attempts.Go(func() {
				conn, err := connect(ctx, c.Addr, config)
				select {
				case results <- attempted{conn, c.Addr, err}:
				case <-ctx.Done():
					if conn != nil {
						conn.Close()
					}
				}
			})
		case r := <-results:
			running--
			if r.err == nil {
				s.remember(r.addr)
				return r.conn, r.addr, nil
			}
			s.log.Debug("A connection attempt failed", "server", r.addr, "err", r.err)
			err = fmt.Errorf("%s: %w", r.addr, r.err)
		}
		if candidates == nil && running == 0 {
			return nil, "", err
		}
	}
}

// connect makes one TLS connection.
func connect(ctx context.Context, addr string, config *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}},
		Config:    config,
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// explain puts a failure in a technician's words. Errors that others made for people go through as they are.
func explain(err error) string {
	if err == nil {
		return ""
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" && op.Addr != nil {
		switch addr := op.Addr.String(); {
		case errors.Is(err, syscall.ECONNREFUSED):
			return addr + " refused the connection: nothing listens on that port"
		case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
			return addr + " can't be reached: no route; check the cable and the address"
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
			return addr + " does not answer"
		}
	}
	if errors.Is(err, io.EOF) {
		return "the server closed the connection"
	}
	return err.Error()
}
