package view

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"vitrine/agent/player"
	"vitrine/agent/protocol"
)

// maxAgent is the most of a browser's own name that is kept, in bytes.
const maxAgent = 200

// A screen is a viewer that is a browser: one link, and a player for it. All pages that are open by the link show the programme; of several
// the one that has been open longest counts in what is reported as played.
type screen struct {
	id     string
	player *player.Player
	pages  http.Handler

	mu   sync.Mutex
	name string
	hash string
	// linked ends with the link.
	linked context.Context
	unlink context.CancelFunc
	// browser, from and heard are of the page that came last.
	browser string
	from    netip.Addr
	started time.Time
	heard   time.Time
}

// warnings is a log of what is wrong alone: the server says once what is published, and not for each screen.
type warnings struct{ slog.Handler }

// Enabled is slog.Handler's.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

// newScreen makes a screen and keeps its schedule going. v.mu is held, and v.ctx is there.
func (v *View) newScreen(id string) *screen {
	s := &screen{id: id, unlink: func() {}}
	s.player = player.New(player.Config{
		Assets:    v.cfg.Assets,
		Guard:     v.guard,
		Files:     pageFiles,
		Reachable: v.cfg.Reachable, Feed: v.cfg.Feed,
		Played: func(p player.Play) error { return v.cfg.Played(id, p) },
		Failed: func(f player.Failure) { v.cfg.Failed(id, f) },
		Log:    slog.New(warnings{v.log.With("viewer", id).Handler()}),
	})
	s.pages = s.player.Handler()
	v.show(s)
	ctx := v.ctx
	v.open.Go(func() { s.player.Watch(ctx) })
	return s
}

// set takes over what the link is now. Another key, or none, ends the pages of the one before.
func (s *screen) set(ctx context.Context, link Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name != link.Name {
		s.name = link.Name
		s.player.SetState(player.State{Name: link.Name, State: protocol.StateConnected, Message: "Waiting for the first programme of the site."})
	}
	if s.linked == nil || s.hash != link.Hash {
		s.unlink()
		s.hash = link.Hash
		s.linked, s.unlink = context.WithCancel(ctx)
	}
}

// visit is a request for as long as the link works; the caller must call done. heard notes that a page comes to stay.
func (s *screen) visit(r *http.Request) (visit *http.Request, done func()) {
	s.mu.Lock()
	linked := s.linked
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	stop := context.AfterFunc(linked, cancel)
	return r.WithContext(ctx), func() {
		stop()
		cancel()
	}
}

// arrive notes whose page comes to stay, and leave that it is gone.
func (s *screen) arrive(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.browser = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return -1
	}, r.UserAgent())
	s.browser = strings.ToValidUTF8(s.browser[:min(len(s.browser), maxAgent)], "")
	s.from = address(r)
	s.started = time.Now().UTC().Truncate(time.Second)
}

func (s *screen) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
}

// A Status is what is known of a browser.
type Status struct {
	// Pages is how many pages are open; Heard is when the last was, if none is.
	Pages int
	Heard time.Time
	// Reported is what a viewer would say of itself.
	Reported protocol.Reported
}

// Status is that of a viewer; false if it has no link.
func (v *View) Status(viewer string) (Status, bool) {
	v.mu.Lock()
	s := v.screens[viewer]
	v.mu.Unlock()
	if s == nil {
		return Status{}, false
	}
	return s.status(v.cfg), true
}

func (s *screen) status(c Config) Status {
	playing, pages, reason := s.player.Playing(), s.player.Pages(), s.player.NotKept()
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{Pages: pages, Heard: s.heard}
	if pages > 0 {
		status.Heard = time.Now()
	}
	if s.browser == "" && pages == 0 {
		return status // nobody has ever opened it
	}
	r := protocol.Reported{
		Viewer: s.id, Name: s.name, Site: c.Site, Version: c.Version, Started: s.started,
		Session: protocol.SessionStatus{State: protocol.StateOffline, Since: s.heard},
		Clock:   protocol.ClockStatus{Trust: "server", Source: "this server"},
		Device:  protocol.Device{Model: s.browser},
		Playing: []protocol.Playing{}, Faults: []protocol.Fault{},
	}
	if s.from.IsValid() {
		r.Device.Addresses = []netip.Addr{s.from}
	}
	if pages > 0 {
		r.Session = protocol.SessionStatus{State: protocol.StateConnected, Since: s.started}
		for _, p := range playing {
			r.Content.Generation = p.Generation
			r.Playing = append(r.Playing, p.Playing)
		}
		if reason != "" {
			r.Faults = append(r.Faults, protocol.Fault{Code: "not-kept", Message: "loaded again without this server, the browser shows nothing, or an earlier programme: " + reason, Since: s.started})
		}
	}
	if on, ok := s.player.On(); ok {
		r.Schedule = &protocol.ScheduleStatus{Presentation: on.Presentation, Standby: on.Standby, Since: on.Since, Until: on.Until}
	}
	status.Reported = r
	return status
}
