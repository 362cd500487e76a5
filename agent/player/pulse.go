package player

import (
	"time"
)

// A pulse is what a page says of itself every ten seconds.
type pulse struct {
	// Visible is false for one in a hidden tab.
	Visible bool `json:"visible"`
	// Frames and Drawn count frames that were given to the screen since the page was loaded: of the page, about one a second, since it asks for no more, and of
	// videos. Moved is for how long videos have played, in milliseconds of their own time.
	Frames int64 `json:"frames"`
	Drawn  int64 `json:"drawn"`
	Moved  int64 `json:"moved"`
}

// A Page is an open page, with what it says of itself. Opened and Heard are by the monotonic clock.
type Page struct {
	// Key is what stands as "key" in the query of the address with which it was opened; empty for most.
	Key string
	// Opened is when it connected, and Heard when it last said anything.
	Opened, Heard time.Time
	Visible       bool
	Frames, Drawn int64
	Moved         time.Duration
	// Changes is how often it has said that something else is on.
	Changes int64
	// Shown is what it shows, by zone. What it shows may be of a programme that isn't on any more.
	Shown map[string]Playing
}

// OpenPages are those that are open, in no order.
func (p *Player) OpenPages() []Page {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Page
	for g := range p.open {
		page := Page{
			Key: g.key, Opened: g.opened, Heard: g.heard, Visible: g.pulse.Visible, Frames: g.pulse.Frames, Drawn: g.pulse.Drawn, Changes: g.changes,
			Moved: time.Duration(g.pulse.Moved) * time.Millisecond, Shown: map[string]Playing{},
		}
		for zone, r := range g.shown {
			page.Shown[zone] = r.Playing
		}
		all = append(all, page)
	}
	return all
}

// noteHeard notes that a page lives.
func (p *Player) noteHeard(g *page, m pageMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.heard = time.Now()
	if m.Type == typePulse {
		g.pulse = m.pulse
	}
}
