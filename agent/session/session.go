// Package session keeps the viewer's one outbound session with a server of its site: it looks for servers, enrols the
// viewer with the first that takes it, connects, and comes back after every failure.
//
// It owns the connection, the MQTT client and the rule that a command runs at most once. It decides nothing about content
// and playback, which never wait for it.
package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"

	"vitrine/agent/protocol"
	"vitrine/platform/backoff"
)

// An Identity is who the viewer is, and whom it believes.
type Identity interface {
	// Viewer is the viewer's id; ok is false before it is enrolled.
	Viewer() (id string, ok bool)
	// TLS is the configuration for a connection that proves both ends, with these ALPN protocols.
	TLS(protocols ...string) (*tls.Config, error)
	// Enrol enrols the viewer with the server at addr ("host:port").
	Enrol(ctx context.Context, addr string) error
	// Renew has the server at addr renew the viewer's certificate.
	Renew(ctx context.Context, addr string) error
}

// A Handler runs a command. It must return soon after ctx ends.
type Handler func(ctx context.Context, args json.RawMessage) error

// Config says how to make a Session.
type Config struct {
	// Identity is required.
	Identity Identity
	// Servers gives the servers known from configuration and from the site, and Place what they are ranked by.
	Servers func() []Candidate
	Place   func() Place
	// Discover looks for servers on the network until ctx ends or a search is over, and passes each address on. Calls of
	// found don't overlap.
	Discover func(ctx context.Context, found func(Candidate)) error
	// Report gives the document that is published as `reported`, all but its session part.
	Report func() protocol.Reported
	// Desired is called with every valid `desired` message. It must not block.
	Desired func(protocol.Desired)
	// Commands are the commands that this viewer knows, by name.
	Commands map[string]Handler
	// Journal is the file that remembers which commands have been run.
	Journal string
	// Changed is called whenever Status changes. It must not block.
	Changed func(protocol.SessionStatus)
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

// Times of the session.
const (
	// stable is how long a session must last for its loss to be a new event, not one more failure.
	stable = time.Minute
	// reportInterval is the least time between two `reported` messages.
	reportInterval = time.Second
	// refreshInterval is after how long `reported` is published although nothing has changed but what is playing.
	refreshInterval = time.Minute
	// checkTimeout is how long a server that is in doubt may take to answer, and checkInterval how often that is asked.
	checkTimeout  = 3 * time.Second
	checkInterval = 5 * time.Second
	// attemptInterval is the least time between two tries: news of a server can be forged, and come in floods.
	attemptInterval = time.Second
	// firstRetry and lastRetry bound the wait between tries.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// A Session is the task that keeps the session. Make one with New; its methods are safe for concurrent use.
type Session struct {
	config  Config
	log     *slog.Logger
	journal *journal
	// boot names this run of the agent.
	boot    string
	started time.Time
	// state is what MQTT must remember between connections.
	state session.SessionManager
	kick  chan struct{}
	check chan struct{}
	dirty chan struct{}
	ready chan struct{}
	once  sync.Once

	mu     sync.Mutex
	status protocol.SessionStatus
	events []protocol.Event
	last   string
}

// New makes a session. The error is about its journal.
func New(c Config) (*Session, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	j, err := openJournal(c.Journal)
	if err != nil {
		return nil, err
	}
	return &Session{
		config: c, log: c.Log, journal: j,
		boot: newID(), started: time.Now(),
		state: state.NewInMemory(),
		kick:  make(chan struct{}, 1), check: make(chan struct{}, 1), dirty: make(chan struct{}, 1), ready: make(chan struct{}),
		status: protocol.SessionStatus{State: protocol.StateSearching, Since: time.Now().UTC()},
	}, nil
}

// Run keeps the session until ctx ends. It never fails: without a server it goes on looking.
func (s *Session) Run(ctx context.Context) error {
	retry := backoff.Backoff{Base: firstRetry, Max: lastRetry}
	for ctx.Err() == nil {
		began := time.Now()
		err := s.attempt(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > stable {
			retry.Reset()
		}
		wait := retry.Next()
		s.lost(err, wait)
		if s.wait(ctx, wait) {
			retry.Reset()
			sleep(ctx, attemptInterval-time.Since(began))
		}
	}
	return nil
}

// Ready is closed when the session is up for the first time.
func (s *Session) Ready() <-chan struct{} { return s.ready }

// String names the task.
func (s *Session) String() string { return "session" }

// Status is the present state.
func (s *Session) Status() protocol.SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Kick ends a wait for the next try, for when there is news of a server or of the network.
func (s *Session) Kick() { poke(s.kick) }

// Check looks whether the server still answers, and ends the session if it doesn't: for when there is reason to doubt it. It
// is cheap, and done at most once in checkInterval, since whoever can forge a Bye can call for it.
func (s *Session) Check() { poke(s.check) }

// Report has the `reported` document published soon: something in it has changed.
func (s *Session) Report() { poke(s.dirty) }

// maxEvents is how many events wait for a session; the oldest go first.
const maxEvents = 100

// Event sends word of something that happened, now or when the session is back.
func (s *Session) Event(name, message string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, protocol.Event{ID: newID(), Name: name, At: at.UTC(), Message: message})
	if len(s.events) > maxEvents {
		s.events = s.events[1:]
	}
	poke(s.dirty)
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wait returns after d, or true as soon as it is kicked.
func (s *Session) wait(ctx context.Context, d time.Duration) (kicked bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-s.kick:
		return true
	}
	return false
}

// attempt is one life of the session, from the search to the loss of the connection.
func (s *Session) attempt(ctx context.Context) error {
	if _, ok := s.config.Identity.Viewer(); !ok {
		if err := s.enrol(ctx); err != nil {
			return err
		}
	}
	s.set(protocol.StateSearching, "", nil)
	conn, addr, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	s.set(protocol.StateConnecting, addr, nil)
	err = s.serve(ctx, conn, addr)
	if errors.Is(err, errRefused) {
		err = s.renew(ctx, addr, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", addr, err)
	}
	return nil
}

// renew tries to get a certificate that the server takes: the viewer's may have expired, in a cupboard or by a clock that is
// behind. What the server says to that is the better reason for the refusal.
func (s *Session) renew(ctx context.Context, addr string, refused error) error {
	if err := s.config.Identity.Renew(ctx, addr); err != nil {
		return fmt.Errorf("%w: %w", refused, err)
	}
	s.log.Info("The viewer got a new certificate, since the server refused the session", "server", addr)
	s.Kick()
	return refused
}

// errNoServer says that a search ended without a server.
var errNoServer = errors.New("no server found: none is configured, and none answered a WS-Discovery probe on UDP 3702")

// enrol tries the known servers and those that discovery finds, one after the other: a token may be good for one use.
func (s *Session) enrol(ctx context.Context) error {
	s.set(protocol.StateSearching, "", nil)
	ctx, cancel := context.WithCancel(ctx)
	candidates := s.candidates(ctx)
	defer func() {
		cancel()
		drain(candidates)
	}()
	err := errNoServer
	for c := range candidates {
		addr := c.Addr
		s.set(protocol.StateEnrolling, addr, nil)
		failed := s.config.Identity.Enrol(ctx, addr)
		if failed == nil {
			s.remember(addr)
			return nil
		}
		err = fmt.Errorf("%s: %w", addr, failed)
		s.log.Debug("Enrolment failed", "err", err)
		s.set(protocol.StateSearching, "", err)
	}
	return err
}

// set changes the state.
func (s *Session) set(state, server string, err error) {
	s.mu.Lock()
	next := protocol.SessionStatus{State: state, Server: server, Since: time.Now().UTC(), Error: s.status.Error}
	switch {
	case err != nil:
		next.Error = explain(err)
	case state == protocol.StateConnected:
		next.Error = ""
	}
	if next.State == s.status.State {
		next.Since = s.status.Since
	}
	s.status = next
	s.mu.Unlock()
	s.config.Changed(next)
}

// lost says why there is no session, once for every new reason.
func (s *Session) lost(err error, retry time.Duration) {
	before := s.Status()
	s.set(protocol.StateOffline, "", err)
	level := slog.LevelDebug
	if before.State == protocol.StateConnected || before.Error != explain(err) {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, "No session with a server; what is on disk plays on", "err", explain(err), "retry", retry.Round(100*time.Millisecond))
}

func (s *Session) remember(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = addr
}
