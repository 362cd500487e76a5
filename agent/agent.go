// Package agent is the viewer: it builds the parts, connects them, and runs them as tasks under one owner.
//
// It owns the state folder and the order in which things start: what is on disk plays first, and nothing that comes after
// can stop it. Each part's own work is in its own package.
package agent

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/health"
	"vitrine/agent/identity"
	"vitrine/agent/kiosk"
	"vitrine/agent/player"
	"vitrine/agent/plays"
	"vitrine/agent/protocol"
	"vitrine/agent/remote"
	"vitrine/agent/schedule"
	"vitrine/agent/session"
	"vitrine/content/calendar"
	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/peer"
	"vitrine/content/stick"
	"vitrine/content/store"
	"vitrine/discovery"
	"vitrine/platform/clock"
	"vitrine/platform/clock/system"
	"vitrine/platform/device"
	"vitrine/platform/display"
	"vitrine/platform/proxy"
	"vitrine/platform/wake"
)

// Config says how to run a viewer.
type Config struct {
	// File is where the settings come from; empty if from no file. It is read only to be shown, without its secrets.
	File string
	// Name is what the viewer would like to be called; empty takes the machine's name.
	Name string
	// State is the folder for identity and content; it is made if need be.
	State string
	// Token lets the viewer enrol; nil if it needn't or can't.
	Token *protocol.JoinToken
	// Servers are "host:port" addresses to try before those that are found.
	Servers []string
	// Location is where the viewer is: nearer servers are preferred.
	Location protocol.Location
	// Labels are words by which the viewer can be told from others.
	Labels []string
	// Zone is the time zone that the machine is to have; nil leaves it.
	Zone *time.Location
	// Operating are the hours outside of which the viewer is on standby, whatever its programme says.
	Operating *calendar.Week
	// Discovery says how servers are looked for, and whether the viewer itself can be found.
	Discovery config.Discovery
	// Session says how the session is kept.
	Session config.Session
	// Network says what the network asks of connections to servers.
	Network config.Network
	// Sticks says whose settings are taken from USB sticks.
	Sticks config.Sticks
	// Content says how content is fetched and kept.
	Content config.Content
	// Clock says whom the viewer asks for the time.
	Clock config.Clock
	// Kiosk says which browser is kept on the screen; a zero one says none.
	Kiosk config.Kiosk
	// Browsers keeps it, also for an agent that starts anew in place of this one; nil if nobody does.
	Browsers *kiosk.Keeper
	// Health says what is done about a screen that doesn't show the right thing.
	Health Health
	// Alive feeds the watchdog of whatever has started the agent, which wants that at least every AliveEvery; nil if there is none.
	Alive      func()
	AliveEvery time.Duration
	// Scratch is a folder for what needn't outlive this machine's next start, in memory if possible; empty means in State.
	Scratch string
	// Page is the loopback "host:port" of the player page.
	Page string
	// Wake says which magic packets wake the viewer.
	Wake config.Wake
	// Screen says how the page is shown.
	Screen config.Screen
	// Display says how the display is switched, and Standby what else sleeps outside the operating hours.
	Display display.Config
	Standby config.Standby
	// Reboot is when the machine is started anew every day; nil for never.
	Reboot *config.TimeOfDay
	// Update says which releases of the viewer itself are taken.
	Update config.Update
	// Version and Build name this program, and Executable is its path.
	Version    string
	Build      time.Time
	Executable string
	// Restart ends this program so that it is started again; nil if nothing would start it again.
	Restart func()
	// Watched tells that this program is also ended if it hangs; only then are releases tried.
	Watched bool
	// StartAnew ends this agent so that another takes its place, with the settings that it has put into its state folder; nil if nobody would, so that
	// none are taken from sticks.
	StartAnew func()
	// Progress is told how far the fetch of a new programme is; nil if nobody wants to know. It must not block.
	Progress func(protocol.SyncStatus)
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

// An Agent is a viewer. Make one with New, and Run it once.
type Agent struct {
	config  Config
	log     *slog.Logger
	started time.Time
	device  protocol.Device

	clock    *clock.Clock
	follower *clock.Follower
	// discipline keeps the system clock, where that is wanted.
	discipline *system.Discipline
	identity   *identity.Identity
	store      *store.Store
	library    *library.Library
	sticks     stick.Sticks
	exchange   *peer.Exchange // nil if the settings want no peers
	player     *player.Player
	plays      *plays.Spool
	feeds      *remote.Feeds
	session    *session.Session
	wake       *wake.Listener
	screen     *screen
	rest       rest
	machine    machine
	faults     *faults
	releases   releases
	kiosk      *kiosk.Kiosk // nil if the settings want no browser
	// handsOver tells that the browser is for the agent that comes next.
	handsOver atomic.Bool
	ring      *logRing
	// dialer makes TCP connections, and roots are the authorities outside the site; nil means the system's.
	dialer *proxy.Dialer
	roots  *x509.CertPool
	// lacking is why the viewer starts without some of those; nil if it has them all.
	lacking error
	// public carries requests to whoever isn't of the site.
	public *http.Transport
	// client finds servers.
	client *discovery.Client

	// One stick at a time: their settings, and their programmes.
	takingSettings, takingProgramme sync.Mutex

	// settingsNow are the settings as they are at present; see now.
	settingsNow atomic.Pointer[Config]

	mu   sync.Mutex
	wish wish
	// later are the settings that have changed and count from the next start on.
	later []string
	sync  *protocol.SyncStatus
	// advance is how far a fetch has come; zero when none is on its way.
	advance advance
	// synced is when the progress was last told to the page, and reported when to the server.
	synced, reported time.Time
	// alone is true for an agent that only works on its state: nothing runs.
	alone bool
	// damage is what of the state folder can't be used.
	damage []string
	// bad is how many files on disk have changed by themselves.
	bad int
	// checks has files that a page couldn't show, to be read again.
	checks chan digest.Digest
	// contentServer is the "host:port" of the session's server, and stays when the session is lost.
	contentServer string
	// code is the pairing code while a person must approve this viewer; empty otherwise.
	code string
	// noticed is a sentence that the screen shows until noticedUntil.
	noticed      string
	noticedUntil time.Time
	// up is true while there is a session, and offline is poked when there is none any more, or still none.
	up      bool
	offline chan struct{}
	// untimely is true after a server's certificate had expired by a clock that may be ahead.
	untimely atomic.Bool
	// begun is poked when a session begins.
	begun chan struct{}
	// limits are those of the watch over the screen; zero but in tests.
	limits health.Limits
	// found has the servers that were found, by endpoint reference.
	found map[string]foundServer
	// near has the other viewers of the site on this network, by endpoint reference.
	near map[string]neighbour
	// known has those that were ever there, and could be woken, and knownNew tells whether the file of them is behind.
	known    Known
	knownNew bool
}

// New builds a viewer from its state folder. It fails only if the content in that folder, the page's port or the settings can't be used.
func New(c Config) (*Agent, error) {
	a := prepare(c)
	if err := a.openNetwork(); err != nil {
		return nil, err
	}
	// The port before the state: a viewer that can't show its page must leave no trace.
	a.player = a.newPlayer()
	if err := a.player.Listen(context.Background()); err != nil {
		return nil, err
	}
	if err := a.openState(); err != nil {
		a.Close()
		return nil, err
	}
	a.known = ReadKnown(filepath.Join(c.State, KnownFile))
	a.client = a.newClient()
	a.wake = a.newWake()
	a.openKiosk()
	return a, nil
}

// prepare makes an agent without its parts.
func prepare(c Config) *Agent {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ring := &logRing{}
	c.Log = ring.keeping(c.Log)
	if c.Progress == nil {
		c.Progress = func(protocol.SyncStatus) {}
	}
	if c.Browsers == nil {
		c.Browsers = kiosk.NewKeeper(context.Background())
	}
	a := &Agent{config: c, log: c.Log, started: time.Now(), device: describe(device.Describe()), faults: newFaults(), ring: ring,
		found: map[string]foundServer{}, near: map[string]neighbour{}, offline: make(chan struct{}, 1), begun: make(chan struct{}, 1), checks: make(chan digest.Digest, 16),
		machine: theMachine()}
	a.screen = newScreen(display.New(c.Display), a.screenChanged)
	if a.config.Name == "" {
		a.config.Name = defaultName(a.device.Hostname)
	}
	settings := a.config
	a.settingsNow.Store(&settings)
	return a
}

// defaultName is the machine's name if it can be a viewer's.
func defaultName(hostname string) string {
	if protocol.CheckName(hostname) != nil {
		return "viewer"
	}
	return hostname
}

func (a *Agent) newPlayer() *player.Player {
	p := player.New(player.Config{
		Addr:    a.config.Page,
		Assets:  func(d digest.Digest) (io.ReadSeekCloser, error) { return a.store.Open(d) },
		Now:     func() time.Time { return a.clock.Now() },
		Playout: func() time.Time { now, _ := a.clock.Playout(); return now },
		Trusted: func() bool { return a.clock.Trust() >= clock.TrustServer },
		Status:  func() any { return a.Status() },
		Metrics: a.figures,
		Failed:  a.itemFailed,

		Rotation:  a.config.Screen.Rotation,
		NoMark:    a.config.Screen.NoMark,
		Reachable: func(ctx context.Context, url string) error { return remote.Reachable(ctx, a.public, url) },
		Feed:      func(ctx context.Context, url string) (any, error) { return a.feeds.Get(ctx, url) },
		Played:    a.played,
		Log:       a.log,
	})
	p.SetHours(schedule.Hours{Week: a.config.Operating, Zone: a.config.Zone})
	return p
}

// Close gives the port and the state folder back. Run does it at its end.
func (a *Agent) Close() {
	a.config.Browsers.Release()
	if !a.handsOver.Load() {
		a.config.Browsers.Close()
	}
	// Closing what was only opened can't fail in a way that matters.
	_ = a.player.Close()
	if a.store != nil {
		_ = a.store.Close()
	}
}

// Run plays until ctx ends. The page comes first; without it there is nothing to see, so that a page that can't listen is
// the one failure that ends the agent. Every other task is started again when it fails.
func (a *Agent) Run(ctx context.Context) error {
	defer a.Close()
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()

	a.showState()
	failed := make(chan error, 1)
	tasks.Go(func() { failed <- a.player.Run(ctx) })
	select {
	case <-a.player.Ready():
	case err := <-failed:
		return err
	}
	a.log.Info("The player page is ready: open http://" + a.player.Addr() + "/ in a browser")
	for _, t := range a.tasks() {
		tasks.Go(func() { supervise(ctx, t, a.log) })
	}
	return <-failed
}

// Page is the address of the player page, once Run listens.
func (a *Agent) Page() string { return a.player.Addr() }

// Ready is closed once the page can be opened.
func (a *Agent) Ready() <-chan struct{} { return a.player.Ready() }

// sessionChanged follows the session with the page, the clock and the content.
func (a *Agent) sessionChanged(s protocol.SessionStatus) {
	a.showState()
	a.mu.Lock()
	fresh := !a.up || a.contentServer != s.Server
	a.up = s.Up()
	a.mu.Unlock()
	// A wish may come in the moment before the session counts as connected.
	if s.State == protocol.StateConnecting || s.Up() {
		a.mu.Lock()
		a.contentServer = s.Server
		a.mu.Unlock()
	}
	if s.State == protocol.StateOffline {
		select {
		case a.offline <- struct{}{}:
		default:
		}
	}
	if s.Up() && fresh {
		select {
		case a.begun <- struct{}{}:
		default:
		}
		a.followTime()
		a.library.Refresh()
	}
}

// followTime asks the server of the session for the time, where it says that it answers.
func (a *Agent) followTime() {
	status := a.session.Status()
	host, _, err := net.SplitHostPort(status.Server)
	if err != nil || !status.Up() {
		return
	}
	a.follower.SetServers(net.JoinHostPort(host, fmt.Sprint(a.timePort(status.Server))), a.now().Clock.Servers...)
}

// timePort is the NTP port of the server at addr.
func (a *Agent) timePort(addr string) uint16 {
	for _, s := range a.siteServers() {
		for _, known := range s.Addrs {
			if known == addr && s.NTP != 0 {
				return s.NTP
			}
		}
	}
	// It was reached at an address that it doesn't know as its own, as behind NAT. With one server there is no doubt.
	if servers := a.siteServers(); len(servers) == 1 && servers[0].NTP != 0 {
		return servers[0].NTP
	}
	return protocol.NTPPort
}

// knownServers are those that don't need a search: the configured ones and the site's.
func (a *Agent) knownServers() []session.Candidate {
	var list []session.Candidate
	for i, addr := range a.now().Servers {
		if a.onlyHTTPS(addr) {
			continue // it was there for the enrolment
		}
		list = append(list, session.Candidate{Addr: addr, Source: session.Configured, Position: i})
	}
	site := a.place().Site
	for _, s := range a.siteServers() {
		for _, addr := range s.Addrs {
			says := protocol.Announced{Site: site, Role: s.Role, Priority: s.Priority, Location: s.Location}
			list = append(list, session.Candidate{Addr: addr, Source: session.Named, Announced: says})
		}
	}
	return list
}

// place is what servers are ranked by.
func (a *Agent) place() session.Place {
	e, _ := a.identity.Enrolment()
	return session.Place{Site: e.Site, Location: a.now().Location}
}
