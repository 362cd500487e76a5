package server_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/agent/session"
)

// patience bounds every wait of a test for something that must happen.
const patience = 20 * time.Second

// onePixel is a PNG of one pixel.
const onePixel = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\b\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"

// newMedia makes a media folder with one picture.
func newMedia(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.png"), []byte(onePixel), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// config is that of a server on loopback with ports of its own.
func config(t *testing.T, state string) server.Config {
	t.Helper()
	return server.Config{
		State: state, Site: "test", Media: newMedia(t), Role: protocol.RoleMain,
		Listen: "127.0.0.1:0", NTP: "127.0.0.1:0", Seconds: 10,
		Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// testWriter logs into a test.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(b), "\n"))
	return len(b), nil
}

// start runs a server until stop is called or the test ends.
func start(t *testing.T, c server.Config) (s *server.Server, stop func()) {
	t.Helper()
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case <-time.After(patience):
		t.Fatal("the server is not ready")
	}
	return s, stop
}

// now is the machine's clock for judging certificates.
func now() (time.Time, bool) { return time.Now(), false }

// enrolled makes a viewer's identity and enrols it.
func enrolled(t *testing.T, s *server.Server, name string) *identity.Identity {
	t.Helper()
	return enrolledIn(t, s, t.TempDir(), name)
}

// enrolledIn does that with the identity in dir.
func enrolledIn(t *testing.T, s *server.Server, dir, name string) *identity.Identity {
	t.Helper()
	id, err := identity.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Site().CreateToken(time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Enrol(t.Context(), s.Addr().String(), token, name, protocol.Device{}, now); err != nil {
		t.Fatal(err)
	}
	return id
}

// viewer is a session with what it was told.
type viewer struct {
	*session.Session
	desired chan protocol.Desired
	states  chan protocol.SessionStatus
	// says is what it reports; nil for next to nothing.
	says atomic.Pointer[protocol.Reported]
}

// connect runs a session for an identity.
func connect(t *testing.T, id *identity.Identity, addr string, commands map[string]session.Handler) (v *viewer, stop func()) {
	t.Helper()
	return connectOn(t, "", id, addr, commands)
}

// connectOn does that on a machine.
func connectOn(t *testing.T, machine string, id *identity.Identity, addr string, commands map[string]session.Handler) (v *viewer, stop func()) {
	t.Helper()
	v = &viewer{desired: make(chan protocol.Desired, 16), states: make(chan protocol.SessionStatus, 64)}
	var err error
	v.Session, err = session.New(session.Config{
		Identity: sessionIdentity{id},
		Servers:  func() []session.Candidate { return []session.Candidate{{Addr: addr}} },
		Place:    func() session.Place { return session.Place{} },
		Discover: func(ctx context.Context, _ func(session.Candidate)) error { return nil },
		Report: func() protocol.Reported {
			if r := v.says.Load(); r != nil {
				return *r
			}
			return protocol.Reported{Name: "x"}
		},
		Desired:  func(d protocol.Desired) { v.desired <- d },
		Commands: commands,

		Fingerprint: machine,
		Journal:     filepath.Join(t.TempDir(), "journal.jsonl"),
		Changed:     func(s protocol.SessionStatus) { v.states <- s },
		Log:         slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("session: %v", err)
		}
	})
	t.Cleanup(stop)
	return v, stop
}

// await waits for a session state.
func (v *viewer) await(t *testing.T, state string) protocol.SessionStatus {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-v.states:
			if s.State == state {
				return s
			}
		case <-deadline:
			t.Fatalf("no state %q; it is %+v", state, v.Status())
		}
	}
}

// awaitDesired waits for the next wish of the server.
func (v *viewer) awaitDesired(t *testing.T) protocol.Desired {
	t.Helper()
	select {
	case d := <-v.desired:
		return d
	case <-time.After(patience):
		t.Fatal("the server wishes nothing")
	}
	return protocol.Desired{}
}
