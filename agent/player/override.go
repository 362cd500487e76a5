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

// Hours are the operating hours at present, as schedule.Hours gives them; false before Show, and while the clock can't be relied on.
func (p *Player) Hours() (closed bool, since, next time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || !p.cfg.Trusted() {
		return false, since, next, false
	}
	closed, since, next = p.current.timetable.Hours(p.cfg.Now())
	return closed, since, next, true
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
