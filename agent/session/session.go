// Package session keeps the viewer's one outbound session with a server of its site: it looks for servers, enrols the
// viewer with the first that takes it, connects, and comes back after every failure.
//
// It owns the connections, the choice between servers, the MQTT client, the rule that a command runs at most once and never too late, and
// the events and results that wait on disk to be sent. It decides nothing about content and playback, which never wait for it.
package session

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/backoff"
)

// An Identity is who the viewer is, and whom it believes.
type Identity interface {
	// Viewer is the viewer's id; ok is false before it is enrolled.
	Viewer() (id string, ok bool)
	// TLS is the configuration for a connection that proves both ends, with these ALPN protocols.
	TLS(protocols ...string) (*tls.Config, error)
	// Enrol enrols the viewer with the server at addr ("host:port"). An error that wraps ErrPending means that a person at the site must
	// approve it first.
	Enrol(ctx context.Context, addr string) error
	// Renew has the server at addr renew the viewer's certificate, or, if that is refused, enrols the viewer anew if it may be.
	Renew(ctx context.Context, addr string) error
}

// ErrPending says that the site has this viewer's request to be taken in, and that a person must approve it.
var ErrPending = errors.New("waiting for approval at the site")

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
	// Dial makes TCP connections to servers; nil makes them directly.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// KeepAlive is how long the session may be silent, from 1 s to 18 h, in whole seconds: a server that is gone is noticed within one and
	// a half of that. 0 means 30 s.
	KeepAlive time.Duration
	// ReturnAfter is how long a better server than the session's must have been healthy for the session to go over to it. 0 means
	// 60 s.
	ReturnAfter time.Duration
	// Now is the viewer's time; sure is false while it only guesses. nil means the machine's.
	Now func() (now time.Time, sure bool)
	// Fingerprint differs between machines; empty if it isn't known.
	Fingerprint string
	// Cloned is called when another machine has connected with this viewer's identity, and with nil when a session has lasted without that. It must
	// not block. nil if nobody wants to know.
	Cloned func(error)
	// Report gives the document that is published as `reported`, all but its session part.
	Report func() protocol.Reported
	// Desired is called with every valid `desired` message. It must not block.
	Desired func(protocol.Desired)
	// Commands are the commands that this viewer knows, by name.
	Commands map[string]Handler
	// Journal is the file with what must not be lost or done twice: commands, and messages that wait to be sent.
	Journal string
	// Plays are sent as `plays` messages, after all else that waits; nil means none.
	Plays Outbox
	// Changed is called whenever Status changes. It must not block.
	Changed func(protocol.SessionStatus)
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

// An Outbox has messages that wait to be sent. Next gives the one that is next, if there is one, and Sent says that a server has it. They are called by
// one goroutine.
type Outbox interface {
	Next() (payload []byte, ok bool)
	Sent()
}

// Times of the session.
const (
	// stable is how long a session must last for its loss to be a new event, not one more failure.
	stable = time.Minute
	// reportInterval is the least time between two `reported` messages.
	reportInterval = time.Second
	// refreshInterval is after how long `reported` is published although nothing has changed but what is playing.
	refreshInterval = 5 * time.Minute
	// checkTimeout is how long a server that is in doubt may take to answer, and checkInterval how often that is asked.
	checkTimeout  = 3 * time.Second
	checkInterval = 5 * time.Second
	// attemptInterval is the least time between two tries: news of a server can be forged, and come in floods.
	attemptInterval = time.Second
	// kickSpread keeps viewers apart that have heard the same news.
	kickSpread = 500 * time.Millisecond
	// firstRetry and lastRetry bound the wait between tries.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// approvalInterval is how often a viewer asks whether it has been approved, if the server doesn't say.
	approvalInterval = 5 * time.Second
	// renewalRetry is how often a viewer that waits for approval, and was one of the site's, asks whether it still is.
	renewalRetry = 3 * time.Minute
	// clonedRetry is the first wait of a viewer whose session another machine took over, and lastClonedRetry the longest: two machines with
	// one identity must not take it from each other without end.
	clonedRetry     = 15 * time.Second
	lastClonedRetry = 15 * time.Minute
	// Defaults of the Config.
	defaultKeepAlive   = 30 * time.Second
	defaultReturnAfter = time.Minute
)

// A Session is the task that keeps the session. Make one with New; its methods are safe for concurrent use.
type Session struct {
	config  Config
	log     *slog.Logger
	journal *journal
	paths   paths
	// boot names this run of the agent.
	boot    string
	started time.Time
	kick    chan struct{}
	check   chan struct{}
	dirty   chan struct{}
	// mail is poked when a message waits to be sent, delivered when one was, unsaved when the journal should be saved, and ordered when
	// there is a command to run.
	mail      chan struct{}
	delivered chan struct{}
	unsaved   chan struct{}
	ordered   chan struct{}
	ready     chan struct{}
	once      sync.Once

	mu     sync.Mutex
	status protocol.SessionStatus
	// last is the server of the last session, resolved has the addresses behind names, and held the servers that are left alone.
	last     Candidate
	resolved map[string]string
	held     map[string]held
}

// New makes a session. The error says what is lost of its journal; the session goes on without that.
func New(c Config) (*Session, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		// TCP's own signs of life would cost more than the session's, and end at a proxy.
		c.Dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	if c.Now == nil {
		c.Now = func() (time.Time, bool) { return time.Now(), true }
	}
	if c.Cloned == nil {
		c.Cloned = func(error) {}
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = defaultKeepAlive
	}
	if c.ReturnAfter == 0 {
		c.ReturnAfter = defaultReturnAfter
	}
	j, damage := openJournal(c.Journal)
	signal := func() chan struct{} { return make(chan struct{}, 1) }
	return &Session{
		config: c, log: c.Log, journal: j,
		boot: newID(), started: time.Now(),
		kick: signal(), check: signal(), dirty: signal(), mail: signal(), delivered: signal(), unsaved: signal(), ordered: signal(),
		ready:    make(chan struct{}),
		resolved: map[string]string{}, held: map[string]held{},
		status: protocol.SessionStatus{State: protocol.StateSearching, Since: time.Now().UTC()},
	}, damage
}

// Run keeps the session until ctx ends. It never fails: without a server it goes on looking.
func (s *Session) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer func() {
		workers.Wait()
		s.journal.close()
	}()
	workers.Go(func() { s.runCommands(ctx) })
	workers.Go(func() { s.saveJournal(ctx) })
	retry := backoff.Backoff{Base: firstRetry, Max: lastRetry}
	cloned := backoff.Backoff{Base: clonedRetry, Max: lastClonedRetry}
	for ctx.Err() == nil {
		began := time.Now()
		err := s.attempt(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > stable {
			retry.Reset()
		}
		wait := retry.Next()
		if errors.Is(err, errTakenOver) {
			if time.Since(began) > lastClonedRetry {
				cloned.Reset()
			}
			wait = cloned.Next()
			s.config.Cloned(errTakenOver)
			s.lost(err, wait)
			sleep(ctx, wait)
			continue
		}
		s.lost(err, wait)
		if s.wait(ctx, wait) {
			retry.Reset()
			sleep(ctx, max(0, attemptInterval-time.Since(began))+rand.N(kickSpread))
		}
	}
	return nil
}

// saveJournal saves what waits to be sent, until ctx ends and once more then.
func (s *Session) saveJournal(ctx context.Context) {
	failed := false
	save := func() {
		err := s.journal.save()
		if err != nil && !failed {
			s.log.Warn("Events that wait to be sent can't be kept on disk; they would be lost in a power cut", "err", err)
		}
		failed = err != nil
	}
	for ctx.Err() == nil {
		select {
		case <-s.unsaved:
			save()
		case <-ctx.Done():
		}
	}
	save()
}

// written has the journal saved, and what waits in it sent.
func (s *Session) written() {
	poke(s.unsaved)
	if n, _ := s.journal.waiting(); n > 0 {
		poke(s.mail)
	}
}

// Ready is closed when the session is up for the first time.
func (s *Session) Ready() <-chan struct{} { return s.ready }

// String names the task.
func (s *Session) String() string { return "session" }

// Status is the present state.
func (s *Session) Status() protocol.SessionStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Waiting, status.Lost = s.journal.waiting()
	return status
}

// now is the viewer's time, or its best guess.
func (s *Session) now() time.Time {
	now, _ := s.config.Now()
	return now
}

// Kick ends a wait for the next try, for when there is news of a server or of the network.
func (s *Session) Kick() { poke(s.kick) }

// Check looks whether the server still answers, and ends the session if it doesn't: for when there is reason to doubt it. It
// is cheap, and done at most once in checkInterval, since whoever can forge a Bye can call for it.
func (s *Session) Check() { poke(s.check) }

// Report has the `reported` document published soon: something in it has changed.
func (s *Session) Report() { poke(s.dirty) }

// Event sends word of something that happened, now or when the session is back: it waits on disk.
func (s *Session) Event(name, message string, at time.Time) {
	payload, _ := json.Marshal(protocol.Event{ID: newID(), Name: name, At: at.UTC(), Message: message}) // strings and a time
	s.journal.post(letter{Kind: protocol.KindEvent, Priority: priorityEvent, Payload: payload})
	s.written()
}

// Deliver has what waits in the Outbox sent, if there is a session.
func (s *Session) Deliver() { poke(s.mail) }

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

// attempt is one life of the session, from the search to the loss of the last connection.
func (s *Session) attempt(ctx context.Context) error {
	if _, ok := s.config.Identity.Viewer(); !ok {
		if err := s.enrol(ctx); err != nil {
			return err
		}
	}
	s.set(protocol.StateSearching, "", nil)
	l, err := s.find(ctx)
	if failed, ok := errors.AsType[*attemptError](err); ok && errors.Is(err, errRefused) {
		return s.renew(ctx, failed.addr, err)
	}
	for err == nil {
		l, err = s.stay(ctx, l)
	}
	return err
}

// renew tries to get a certificate that the server takes: the viewer's may have expired, in a cupboard or by a clock that is
// behind. What the server says to that is the better reason for the refusal.
func (s *Session) renew(ctx context.Context, addr string, refused error) error {
	err := s.config.Identity.Renew(ctx, addr)
	if errors.Is(err, ErrPending) {
		err = s.awaitApproval(ctx, addr, err)
	}
	if err != nil {
		s.holdBack(addr, err)
		if strings.Contains(refused.Error(), err.Error()) {
			return refused // the server has said the same twice
		}
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
	defer cancel()
	round := s.look(ctx)
	defer round.close()
	err := s.none()
	for c := range round.out {
		s.set(protocol.StateEnrolling, c.Addr, nil)
		failed := s.config.Identity.Enrol(ctx, c.Addr)
		if errors.Is(failed, ErrPending) {
			failed = s.awaitApproval(ctx, c.Addr, failed)
		}
		if failed == nil {
			s.remember(c)
			return nil
		}
		err = fmt.Errorf("%s: %w", c.Addr, failed)
		s.holdBack(c.Addr, err)
		s.log.Debug("Enrolment failed", "err", err)
		s.set(protocol.StateSearching, "", err)
		poke(round.hurry)
	}
	return err
}

// awaitApproval asks a server again and again, until a person has decided whether it takes the viewer in. It may also take it back: a machine that has another
// fingerprint since a part of it was changed is refused like a copy, until the site hasn't heard of the former one for a while.
func (s *Session) awaitApproval(ctx context.Context, addr string, pending error) error {
	err, renewed := pending, time.Now()
	_, enrolled := s.config.Identity.Viewer()
	for errors.Is(err, ErrPending) && ctx.Err() == nil {
		s.set(protocol.StatePending, addr, err)
		interval := approvalInterval
		var asked interface{ RetryAfter() time.Duration }
		if errors.As(err, &asked) {
			interval = min(max(asked.RetryAfter(), time.Second), time.Minute)
		}
		s.wait(ctx, interval+rand.N(interval/4))
		if enrolled && time.Since(renewed) >= renewalRetry {
			renewed = time.Now()
			err = s.config.Identity.Renew(ctx, addr)
			continue
		}
		err = s.config.Identity.Enrol(ctx, addr)
	}
	return err
}

// set changes the state.
func (s *Session) set(state, server string, err error) {
	s.mu.Lock()
	next := protocol.SessionStatus{State: state, Server: server, Since: time.Now().UTC(), Error: s.status.Error, Proxy: s.paths.through(server)}
	switch {
	case err != nil:
		next.Error = explain(err)
	case state == protocol.StateConnected:
		next.Error = ""
	}
	if next.State == s.status.State && next.Server == s.status.Server {
		next.Since = s.status.Since
	}
	same := next == s.status
	s.status = next
	s.mu.Unlock()
	if !same {
		s.config.Changed(next)
	}
}

// lost says why there is no session, once for every new reason.
func (s *Session) lost(err error, retry time.Duration) {
	before := s.Status()
	s.set(protocol.StateOffline, "", err)
	level := slog.LevelDebug
	if before.Up() || before.Error != explain(err) {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, "No session with a server; what is on disk plays on", "err", explain(err), "retry", retry.Round(100*time.Millisecond))
}

func (s *Session) remember(c Candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = c
}
