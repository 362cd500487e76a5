// Package player is the viewer's local web player: a small HTTP server on a loopback address with the page that a browser
// shows full screen, the assets that the page needs, and a WebSocket over which both talk. README.md is that protocol.
//
// It owns what the page is told and what the page says it shows. It never fetches, stores or chooses content: it
// is given a programme, plays it, and goes on with it until it is given another, whatever happens around it.
package player

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/schedule"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// DefaultAddr is where the player listens unless Config says otherwise.
var DefaultAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), protocol.PagePort).String()

// Config is what a Player needs from the rest of the agent. Its functions are called from several goroutines at once.
type Config struct {
	// Addr is the "host:port" to listen on; the host must be a loopback address or "localhost". Empty means DefaultAddr;
	// port 0 takes a free one.
	Addr string
	// Rotation is by how many degrees the page turns what it shows, clockwise: 0, 90, 180 or 270.
	Rotation int
	// NoMark keeps the corner mark off.
	NoMark bool
	// Assets opens an asset of a programme that was shown. An error that is fs.ErrNotExist says that it isn't there. Required.
	Assets func(digest.Digest) (io.ReadSeekCloser, error)
	// Now is the time of day: the schedule is looked up by it, and plays are stamped with it; it may step. Nil means time.Now.
	Now func() time.Time
	// Playout is the time that screens of a group agree on, be it wrong: where a manifest has a group, positions in playlists count by it; it may
	// step. Nil means Now.
	Playout func() time.Time
	// Trusted tells whether Now can be relied on for dated events. Nil means that it always can.
	Trusted func() bool
	// Reachable tells whether a web page that a programme shows can be loaded, and shown in a frame; an error says why not, in words. Nil means
	// that nobody knows, and that the page tries.
	Reachable func(ctx context.Context, url string) error
	// Feed is what is known of a feed that a programme shows, as JSON in the form that README.md has. It waits only for news of which nothing is
	// known. Nil means that there are no feeds.
	Feed func(ctx context.Context, url string) (any, error)
	// Status is what /v1/status answers, as JSON. Nil means that there is no such page.
	Status func() any
	// Metrics is what /metrics answers, in Prometheus' text format. Nil means that there is no such page.
	Metrics func() []byte
	// Guard says why a request isn't answered. Nil lets through what was sent to this machine by a loopback name.
	Guard func(*http.Request) error
	// Files has files of the page beside its own, at its root; one takes the place of the page's own of the same name. Nil means none.
	Files fs.FS
	// Failed is told of each item that a page couldn't show. It must not block. Nil means that nobody wants to know.
	Failed func(Failure)
	// Played is told of each item that a page has shown, once it is over; of several pages it is told what the one shows that is open longest. The page
	// waits for it, and nothing else does. An error means that it can't be kept now: the page sends it again. So it
	// may do with any, under the same ID. Nil means that nobody wants to know.
	Played func(Play) error
	// Log gets what an installer should know. Nil means no log.
	Log *slog.Logger
}

// A Programme is an activated manifest.
type Programme struct {
	// Generation names the manifest: the digest of its bytes.
	Generation digest.Digest
	// Manifest is valid, and isn't changed any more.
	Manifest *manifest.Manifest
}

// A State is what the page tells a person on its set-up screen, or with its corner mark once something plays.
type State struct {
	// Name is the viewer's name.
	Name string `json:"name"`
	// State is one of protocol's State constants. All but protocol.StateConnected light the corner mark.
	State string `json:"state"`
	// Message says in a technician's words what the viewer is doing or waiting for.
	Message string `json:"message"`
	// Code is the pairing code that a person compares with the site's; empty if none is needed.
	Code string `json:"code,omitempty"`
	// Interfaces are the device's own network interfaces.
	Interfaces []Interface `json:"interfaces"`
	// Version is the agent's version.
	Version string `json:"version"`
}

// An Interface is a network interface, as a person at the switch or router knows it.
type Interface struct {
	Name string `json:"name"`
	// MAC is its hardware address; empty if it has none.
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"`
}

// Playing is what is on in one zone.
type Playing struct {
	protocol.Playing
	// Generation is the manifest that it is from. A page may still show the one before for a moment.
	Generation digest.Digest `json:"generation"`
}

// A Failure is an item that a page couldn't show. The page has gone on to the next, and tries it again in the next round.
type Failure struct {
	Generation   digest.Digest
	Presentation string
	Zone         string
	// Item is the index in the zone's playlist.
	Item int
	// Asset is zero for a text item; Name is what the manifest calls it.
	Asset digest.Digest
	Name  string
	// Reason is in the page's words.
	Reason string
	// Again tells that the item has failed before, in the same generation.
	Again bool
}

// A Play is an item that was on a screen, as a page saw it.
type Play struct {
	// ID is a ULID that the page made.
	ID         string
	Generation digest.Digest
	// Presentation, Zone and Item say where it is in the programme, and Type, Asset and Name what it is.
	Presentation string
	Zone         string
	Item         int
	Type         string
	Asset        digest.Digest
	Name         string
	// Start is by the clock of Config.Now. Length is by the browser's monotonic clock.
	Start  time.Time
	Length time.Duration
	// Complete tells whether it was on for as long as it should have been.
	Complete bool
}

// A Player is the web player. All methods are safe for concurrent use, and none waits for a page.
type Player struct {
	cfg     Config
	log     *slog.Logger
	web     *webFiles
	changed chan struct{} // wakes the timer of Run after Show
	pages   sync.WaitGroup

	readyOnce sync.Once
	ready     chan struct{}

	mu       sync.Mutex
	addr     string
	listener net.Listener // open, and not served yet
	current  *programme
	hours    schedule.Hours
	override Override
	previous *programme // its assets stay available: a page may still show it
	state    State
	faults   int
	identity identify
	trusted  bool // what pages know of Config.Trusted
	open     map[*page]struct{}
	opened   int // pages that have ever been open
	// stood is how far the two clocks were ahead of the monotonic one when a page last asked, to notice steps.
	stood [2]time.Duration
}

// New makes a player that shows its set-up screen until Show is called.
func New(cfg Config) *Player {
	if cfg.Addr == "" {
		cfg.Addr = DefaultAddr
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Playout == nil {
		cfg.Playout = cfg.Now
	}
	if cfg.Trusted == nil {
		cfg.Trusted = func() bool { return true }
	}
	if cfg.Failed == nil {
		cfg.Failed = func(Failure) {}
	}
	if cfg.Played == nil {
		cfg.Played = func(Play) error { return nil }
	}
	if cfg.Guard == nil {
		cfg.Guard = fromHere
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Player{
		cfg:     cfg,
		log:     cfg.Log,
		web:     newWebFiles(cfg.Files, cfg.Rotation, !cfg.NoMark),
		changed: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		open:    map[*page]struct{}{},
	}
}

// String names the task.
func (p *Player) String() string { return "player" }

// Ready is closed once Run listens for the first time.
func (p *Player) Ready() <-chan struct{} { return p.ready }

// Addr is the "host:port" that Run listens on; before Ready it is the configured one.
func (p *Player) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.addr == "" {
		return p.cfg.Addr
	}
	return p.addr
}

// Show replaces what plays. The pages prepare the new programme before they swap, so nothing black is seen. A programme whose
// schedule makes no sense is refused, and what plays stays on.
func (p *Player) Show(next Programme) error {
	if next.Manifest == nil {
		return errors.New("player: a programme needs a manifest")
	}
	timetable, err := schedule.New(next.Manifest)
	if err != nil {
		return fmt.Errorf("generation %s: %w", next.Generation.Short(), err)
	}
	p.mu.Lock()
	if p.current != nil && p.current.Generation != next.Generation {
		p.previous = p.current
	}
	p.current = &programme{Programme: next, timetable: timetable.Within(p.hours), failed: map[failedItem]time.Time{}}
	p.evaluate()
	p.mu.Unlock()
	p.poke()
	return nil
}

// poke has Run look again at what is on.
func (p *Player) poke() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// SetState replaces what the set-up screen and the corner mark tell.
func (p *Player) SetState(s State) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = s
	for page := range p.open {
		page.post(p.statusMessage())
	}
}

// SetFaults says how many things are wrong with the viewer, which lights the corner mark.
func (p *Player) SetFaults(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults == n {
		return
	}
	p.faults = n
	for page := range p.open {
		page.post(p.statusMessage())
	}
}

// Reload has every open page load itself again, and gives how many there are.
func (p *Player) Reload() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for page := range p.open {
		page.post(reloadMessage{typeReload})
	}
	return len(p.open)
}

// Tell tells every open page again what is on: one that waits for something tries at once.
func (p *Player) Tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for page := range p.open {
		if p.current != nil {
			page.post(p.programmeMessage())
		}
		if p.current != nil && p.current.next != nil {
			page.post(p.nextMessage())
		}
	}
}

// Identify shows a big name on every page for d, also on a page that is opened meanwhile. An empty name means the
// viewer's; a d of zero or less takes the name off again.
func (p *Player) Identify(name string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name == "" {
		name = p.state.Name
	}
	// The system's monotonic clock, and not cfg.Now: a clock that steps must not leave the name on.
	p.identity = identify{name: name, until: time.Now().Add(d)}
	for page := range p.open {
		page.post(p.identifyMessage())
	}
}

// evaluate looks up what is on now, and tells the pages if that has changed. It returns how long that holds. p.mu is held.
func (p *Player) evaluate() time.Duration {
	const atLeast, atMost, untrusted = 5 * time.Millisecond, time.Minute, 2 * time.Second
	if p.current == nil {
		return atMost
	}
	now, trusted := p.cfg.Now(), p.cfg.Trusted()
	if trusted != p.trusted {
		p.trusted = trusted
		for page := range p.open {
			page.post(p.statusMessage())
		}
	}
	state := p.at(now, trusted)
	if state != p.current.state {
		fresh := state.Presentation != p.current.state.Presentation || !state.Anchor.Equal(p.current.state.Anchor)
		p.current.state, p.current.next = state, nil
		switch {
		case state.Standby:
			p.log.Info("The screen is on standby.", "until", state.Until)
		case fresh:
			p.log.Info("A presentation comes on.", "presentation", state.Presentation, "generation", p.current.Generation.Short())
		}
		for page := range p.open {
			page.post(p.programmeMessage())
		}
	}
	if !trusted {
		return untrusted // a clock on the screen waits for that
	}
	if state.Until.IsZero() {
		return atMost
	}
	left := state.Until.Sub(now)
	if left > ahead {
		return min(left-ahead, atMost)
	}
	if next := p.current.timetable.At(state.Until, trusted); p.current.next == nil || *p.current.next != next {
		p.current.next = &next
		for page := range p.open {
			page.post(p.nextMessage())
		}
	}
	return max(left, atLeast)
}

// ahead is how long before its time pages are told what comes on next, to be prepared by then.
const ahead = 15 * time.Second

// Pages is how many pages are open.
func (p *Player) Pages() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

// Watch re-evaluates the schedule when its next change comes, and once a minute, because clocks step and trust comes and goes. It returns when
// ctx ends. Run does it; a player whose Handler somebody else serves needs it too.
func (p *Player) Watch(ctx context.Context) {
	for {
		p.mu.Lock()
		wait := p.evaluate()
		p.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-p.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// checkLoopback refuses an address that others on the network could reach.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("player address %q: %w", addr, err)
	}
	if !isLoopback(host) {
		return fmt.Errorf("player address %q: the player listens on a loopback address only; use %s", addr, DefaultAddr)
	}
	return nil
}

// isLoopback tells whether host, without a port, means this machine only.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
