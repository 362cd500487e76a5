package player

import (
	"time"

	"vitrine/agent/schedule"
)

// An Override is what somebody wants of the screen in place of the operating hours.
type Override uint8

// The overrides.
const (
	// Follow is none: the screen follows the operating hours.
	Follow Override = iota
	// Awake shows what is on outside the operating hours, too.
	Awake
	// Dark shows nothing.
	Dark
)

// Override replaces the override.
func (p *Player) Override(o Override) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.override == o {
		return
	}
	p.override = o
	p.evaluate()
	p.poke()
}

// SetHours replaces the viewer's own operating hours, outside of which the screen is dark whatever the programme says.
func (p *Player) SetHours(own schedule.Hours) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hours = own
	if p.current != nil {
		p.current.timetable = p.current.timetable.Within(own)
		p.evaluate()
	}
	p.poke()
}

// Opening is what the operating hours are at present; false before Show, and while the clock can't be relied on.
func (p *Player) Opening() (schedule.Opening, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || !p.cfg.Trusted() {
		return schedule.Opening{}, false
	}
	return p.current.timetable.Opening(p.cfg.Now()), true
}

// at is what is on at a time. p.mu is held.
func (p *Player) at(now time.Time, trusted bool) schedule.State {
	on := p.current.timetable.At(now, trusted)
	switch {
	case p.override == Awake && on.Standby:
		return p.current.timetable.Awake(now, trusted)
	case p.override == Dark && !on.Standby:
		return schedule.State{Event: schedule.NoEvent, Standby: true}
	}
	return on
}
