package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/backoff"
)

// How the servers that come before the session's are tested.
const (
	// firstTest and lastTest bound the wait after a test that failed.
	firstTest = 2 * time.Second
	lastTest  = time.Minute
	// testsToReturn is how many tests a server must pass, spread over the time for which it is to be healthy.
	testsToReturn = 4
	// quickest is the least time between two tests: news that call for one can be forged.
	quickest = time.Second
)

// stay works on a link until it is lost, or until a link to a better server is up, which it then gives. The old one is closed only
// then.
func (s *Session) stay(ctx context.Context, l *link) (*link, error) {
	s.took(l)
	loop, end := context.WithCancel(ctx)
	defer end()
	tests, endTests := context.WithCancel(l.lost)
	defer endTests()
	var watch sync.WaitGroup
	var next *link
	watch.Go(func() {
		if next = s.awaitBetter(ctx, tests, l); next != nil {
			end()
		}
	})
	err := l.loop(loop)
	endTests()
	// A better link that is just being opened decides: on a cluster of brokers it is what has ended this one.
	watch.Wait()
	if errors.Is(err, errSilent) {
		s.paths.wentSilent(l.server.Addr)
	}
	l.close()
	if l.doubted {
		s.Kick() // and not only after a wait
	}
	if next != nil {
		s.log.Info("The session goes back to the server that it should be with", "server", next.server.Addr, "before", l.server.Addr)
		return next, nil
	}
	return nil, fmt.Errorf("%s: %w", l.server.Addr, err)
}

// took says that the session is up, with that server.
func (s *Session) took(l *link) {
	l.server = s.standing(l.server)
	s.remember(l.server)
	state, why := protocol.StateConnected, error(nil)
	if l.server.Role == protocol.RoleBackup {
		state, why = protocol.StateDegraded, errors.New("this is a backup server, and no main server is known")
	}
	for _, c := range s.better(l.server) {
		if failed := l.failed[c.Addr]; failed != nil {
			state, why = protocol.StateDegraded, failed
			break
		}
		if state == protocol.StateDegraded {
			why = fmt.Errorf("the main server %s has not answered yet", c.Addr)
		}
	}
	s.set(state, l.server.Addr, why)
	s.log.Info("The session is up (TLS 1.3, MQTT 5)", "server", l.server.Addr)
	s.once.Do(func() { close(s.ready) })
	poke(s.mail)
	s.Report()
}

// standing is what is known of a server by now: who connected to a configured address learns its role from the site.
func (s *Session) standing(c Candidate) Candidate {
	for _, known := range s.known() {
		if known.Addr == c.Addr && c.Role == "" {
			return known
		}
	}
	return c
}

// better lists the known servers that the session should rather be with, best first.
func (s *Session) better(current Candidate) []Candidate {
	place := s.config.Place()
	list := slices.DeleteFunc(s.known(), func(c Candidate) bool { return c.Addr == current.Addr || !better(c, current, place) })
	slices.SortStableFunc(list, func(a, b Candidate) int { return Compare(a, b, place) })
	return list
}

// awaitBetter tests the servers that come before the link's, and gives a link to one that has been healthy for long enough. It ends with
// tests, unless such a link is just being made.
func (s *Session) awaitBetter(ctx, tests context.Context, l *link) *link {
	w := &watch{session: s, link: l, wait: backoff.Backoff{Base: firstTest, Max: lastTest}, same: map[string]bool{}}
	pause := w.wait.Next()
	for s.pauseTest(tests, pause) {
		pause = w.test(tests)
		if tests.Err() != nil || !w.ripe() {
			continue
		}
		if next := s.moveTo(ctx, w.healthy); next != nil {
			return next
		}
		w.fail()
	}
	return nil
}

// pauseTest waits before the next test, or until there is news; false if it is over.
func (s *Session) pauseTest(ctx context.Context, d time.Duration) bool {
	sleep(ctx, min(d, quickest))
	if d > quickest && ctx.Err() == nil {
		s.wait(ctx, d-quickest)
	}
	return ctx.Err() == nil
}

// A watch follows the health of the servers that come before the link's.
type watch struct {
	session *Session
	link    *link
	wait    backoff.Backoff
	// healthy is the server that passes its tests, since then.
	healthy Candidate
	since   time.Time
	// same are other addresses of the link's own server.
	same map[string]bool
}

// ripe tells whether a server has been healthy for long enough.
func (w *watch) ripe() bool {
	return !w.since.IsZero() && time.Since(w.since) >= w.session.config.ReturnAfter
}

func (w *watch) fail() { w.since = time.Time{} }

// test tests the better servers, best first, until one passes, and gives the wait until the next test.
func (w *watch) test(ctx context.Context) time.Duration {
	s := w.session
	list := w.candidates(ctx)
	var failed error
	for _, c := range list {
		same, err := s.test(ctx, c, w.link)
		switch {
		case ctx.Err() != nil:
			return lastTest
		case same:
			w.same[c.Addr] = true
		case err != nil:
			failed = fmt.Errorf("%s: %w", c.Addr, err)
			s.log.Debug("A better server can't be reached yet", "err", failed)
		default:
			if w.since.IsZero() || w.healthy.Addr != c.Addr {
				w.healthy, w.since = c, time.Now()
			}
			s.degraded(w.link, fmt.Errorf("%s is back; the session returns to it when it has been healthy for %v", c.Addr, s.config.ReturnAfter))
			w.wait.Reset()
			// Spread, so that a fleet doesn't test and return in step.
			each := max(1, s.config.ReturnAfter/testsToReturn)
			return max(quickest, each/2+rand.N(each))
		}
	}
	w.fail()
	if failed != nil {
		s.degraded(w.link, failed)
	} else if len(list) == 0 && w.link.server.Role != protocol.RoleBackup {
		s.degraded(w.link, nil)
	}
	return w.wait.Next()
}

// candidates are the better servers that are known; if the session is with a backup and none is, also those that discovery finds.
func (w *watch) candidates(ctx context.Context) []Candidate {
	s := w.session
	list := s.better(s.standing(w.link.server))
	if len(list) == 0 && w.link.server.Role == protocol.RoleBackup {
		place := s.config.Place()
		err := s.config.Discover(ctx, func(c Candidate) {
			if better(c, w.link.server, place) {
				list = append(list, c)
			}
		})
		if err != nil && ctx.Err() == nil {
			s.log.Debug("Discovery failed", "err", err)
		}
		slices.SortStableFunc(list, func(a, b Candidate) int { return Compare(a, b, place) })
	}
	return slices.DeleteFunc(list, func(c Candidate) bool { return w.same[c.Addr] || s.heldBack(c.Addr) > 0 })
}

// test tells whether a server proves itself, and whether it is the one that the session is with already, by another address.
func (s *Session) test(ctx context.Context, c Candidate, l *link) (same bool, err error) {
	config, err := s.config.Identity.TLS(protocol.ALPNMQTT)
	if err != nil {
		return false, err
	}
	conn, err := s.dial(ctx, c.Addr, config)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	return serverKey(conn) == l.key && c.Role == l.server.Role, nil
}

// moveTo opens a link to a server; nil if that fails.
func (s *Session) moveTo(ctx context.Context, c Candidate) *link {
	config, err := s.config.Identity.TLS(protocol.ALPNMQTT)
	if err != nil {
		return nil
	}
	conn, err := s.dial(ctx, c.Addr, config)
	if err == nil {
		var l *link
		if l, err = s.open(ctx, conn, c); err == nil {
			return l
		}
	}
	s.holdBack(c.Addr, err)
	s.log.Info("The session stays where it is: the better server doesn't take it", "server", c.Addr, "err", explain(err))
	return nil
}

// degraded says why the session is not with the server that it should be with, or, with a nil err, that it is.
func (s *Session) degraded(l *link, err error) {
	switch status := s.Status(); {
	case !status.Up() || status.Server != l.server.Addr:
	case err == nil:
		s.set(protocol.StateConnected, l.server.Addr, nil)
	default:
		s.set(protocol.StateDegraded, l.server.Addr, err)
	}
}
