package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/agent/protocol"
)

// nobody is an identity that is enrolled and trusts no one.
type nobody struct{}

func (nobody) Viewer() (string, bool)              { return "v1", true }
func (nobody) TLS(...string) (*tls.Config, error)  { return &tls.Config{}, nil }
func (nobody) Enrol(context.Context, string) error { return errNotHere }
func (nobody) Renew(context.Context, string) error { return errNotHere }

// config is that of a session that finds nothing.
func config(t *testing.T) Config {
	t.Helper()
	return Config{
		Identity: nobody{},
		Servers:  func() []Candidate { return nil },
		Place:    func() Place { return Place{} },
		Discover: func(context.Context, func(Candidate)) error { return nil },
		Report:   func() protocol.Reported { return protocol.Reported{} },
		Desired:  func(protocol.Desired) {},
		Changed:  func(protocol.SessionStatus) {},
		Journal:  filepath.Join(t.TempDir(), "journal.jsonl"),
	}
}

// newSession makes a session; inside a synctest bubble, so that its channels belong to the bubble.
func newSession(t *testing.T, c Config) *Session {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Known addresses come one after the other, found ones at once, and none twice.
func TestCandidates(t *testing.T) {
	c := config(t)
	c.Servers = func() []Candidate {
		return []Candidate{{Addr: "b:1", Source: Named}, {Addr: "a:1", Source: Configured}, {Addr: "a:1", Source: Named}}
	}
	c.Discover = func(_ context.Context, found func(Candidate)) error {
		found(Candidate{Addr: "backup:1", Source: Found, Announced: protocol.Announced{Role: protocol.RoleBackup}})
		found(Candidate{Addr: "main:1", Source: Found, Announced: protocol.Announced{Role: protocol.RoleMain}})
		found(Candidate{Addr: "b:1", Source: Found})
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, c)
		s.remember(Candidate{Addr: "last:1"})
		began := time.Now()
		var got []string
		for c := range s.look(t.Context()).out {
			got = append(got, c.Addr)
		}
		slices.Sort(got)
		if want := []string{"a:1", "b:1", "backup:1", "last:1", "main:1"}; !slices.Equal(got, want) {
			t.Errorf("candidates %v, want %v", got, want)
		}
		if took := time.Since(began); took > 4*attemptDelay {
			t.Errorf("it took %v", took)
		}
	})
}

// The first of each source is there at once, but for a backup, which waits for a main server to be found too.
func TestOrderOfCandidates(t *testing.T) {
	c := config(t)
	c.Servers = func() []Candidate {
		return []Candidate{{Addr: "named:1", Source: Named}, {Addr: "configured:1", Source: Configured}}
	}
	c.Discover = func(_ context.Context, found func(Candidate)) error {
		found(Candidate{Addr: "backup:1", Source: Found, Announced: protocol.Announced{Role: protocol.RoleBackup}})
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, c)
		began, at := time.Now(), map[string]time.Duration{}
		for c := range s.look(t.Context()).out {
			at[c.Addr] = time.Since(began)
		}
		want := map[string]time.Duration{"configured:1": 0, "named:1": attemptDelay, "backup:1": attemptDelay}
		if !maps.Equal(at, want) {
			t.Errorf("candidates came after %v, want %v", at, want)
		}
	})
}

// A search that is given up must not leave goroutines behind; the bubble would not end.
func TestCandidatesEndWithTheirContext(t *testing.T) {
	c := config(t)
	c.Servers = func() []Candidate { return []Candidate{{Addr: "a:1"}, {Addr: "b:1"}} }
	c.Discover = func(ctx context.Context, _ func(Candidate)) error {
		<-ctx.Done()
		return ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		round := s.look(ctx)
		<-round.out
		cancel()
		round.close()
	})
}

// Without any server the session goes on looking, at growing intervals, and says why it has none.
func TestSearchGoesOn(t *testing.T) {
	searches := 0
	c := config(t)
	c.Discover = func(context.Context, func(Candidate)) error {
		searches++
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		if searches < 60 || searches > 700 {
			t.Errorf("%d searches in an hour", searches)
		}
		if status := s.Status(); status.State == protocol.StateConnected || !strings.Contains(status.Error, "no server found") {
			t.Errorf("status %+v", status)
		}
	})
}

func TestKickEndsTheWait(t *testing.T) {
	c := config(t)
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, c)
		began := time.Now()
		s.Kick()
		if kicked := s.wait(t.Context(), time.Hour); !kicked || time.Since(began) > 0 {
			t.Errorf("kicked %v after %v", kicked, time.Since(began))
		}
	})
}

// A flood of forged news makes no flood of searches.
func TestFloodOfKicks(t *testing.T) {
	searches := 0
	c := config(t)
	c.Discover = func(context.Context, func(Candidate)) error {
		searches++
		return nil
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSession(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-ticker.C:
					s.Kick()
				case <-ctx.Done():
					return
				}
			}
		}()
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
		<-done
		if searches < 35 || searches > 61 {
			t.Errorf("%d searches in a minute", searches)
		}
	})
}

// lent is an identity that a site takes for a copy's until some moment. It waits for approval meanwhile.
type lent struct {
	nobody
	until  time.Time
	renews *int
}

func (lent) Enrol(context.Context, string) error { return ErrPending }
func (l lent) Renew(context.Context, string) error {
	*l.renews++
	if time.Now().Before(l.until) {
		return ErrPending
	}
	return nil
}

// A viewer that waits for approval since a site took its machine for another's goes back to what it was as soon as the site lets it, and doesn't ask too often.
func TestTakenBackWhileItWaits(t *testing.T) {
	c := config(t)
	synctest.Test(t, func(t *testing.T) {
		began, renews := time.Now(), 0
		c.Identity = lent{until: began.Add(10 * time.Minute), renews: &renews}
		s := newSession(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := s.renew(ctx, "a:1", errRefused); err != errRefused || ctx.Err() != nil {
			t.Errorf("%v, %v", err, ctx.Err())
		}
		if took := time.Since(began); took > 14*time.Minute || renews > 6 {
			t.Errorf("it took %v, with %d renewals", took, renews)
		}
		if !s.wait(ctx, time.Minute) {
			t.Error("it doesn't look for a server at once")
		}
	})
}

func TestExplain(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 7237}
	dial := func(err error) error {
		return fmt.Errorf("10.0.0.5:7237: %w", &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: os.NewSyscallError("connect", err)})
	}
	for want, err := range map[string]error{
		"10.0.0.5:7237 refused the connection": dial(syscall.ECONNREFUSED),
		"10.0.0.5:7237 can't be reached":       dial(syscall.EHOSTUNREACH),
		"10.0.0.5:7237 does not answer":        dial(context.DeadlineExceeded),
		"no server found":                      errNoServer,
		"enrol it again":                       errors.New("10.0.0.5:7237: enrol it again"),
	} {
		if got := explain(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q in it", err, got, want)
		}
	}
	if got := explain(nil); got != "" {
		t.Errorf("no error: %q", got)
	}
}
