package schedule

import (
	"cmp"
	"time"

	"vitrine/content/calendar"
	"vitrine/content/manifest"
)

// Hours are hours of the week by the clocks of a zone. Without a Week they are always.
type Hours struct {
	Week *calendar.Week
	Zone *time.Location
}

func (h Hours) source() source {
	if h.Week == nil || h.Week.Always() {
		return all{}
	}
	return series{h.Week, cmp.Or(h.Zone, time.Local), calendar.Exceptions{}, true}
}

// At tells whether t is within the hours, and for how long that stays so; 0 is for ever.
func (h Hours) At(t time.Time) (within bool, holds time.Duration) {
	s := h.source().at(t.UTC())
	if s.to.Equal(forever) {
		return s.on, 0
	}
	return s.on, s.to.Sub(t)
}

// opening is when a manifest wants anything to be shown.
func opening(s manifest.Schedule, zone *time.Location) (source, error) {
	week, closed, err := s.Opening()
	if err != nil {
		return nil, err
	}
	var sources all
	if week != nil && !week.Always() {
		// Hours that begin on a closed day and end after its midnight are left out as a whole.
		sources = append(sources, series{week, zone, calendar.ExceptDays(closed), true})
	}
	if len(closed) > 0 {
		sources = append(sources, closedDays(closed, zone))
	}
	return sources, nil
}

// Within is the schedule of a viewer that has operating hours of its own: it is on standby outside them too. Without a zone of their own they are in the
// manifest's, and where it names none in the machine's.
func (s *Schedule) Within(own Hours) *Schedule {
	limited := *s
	own.Zone = cmp.Or(own.Zone, s.zone, time.Local)
	limited.opening = all{s.programme, own.source()}
	return &limited
}

// An Opening is what the operating hours are at a moment.
type Opening struct {
	// Closed is outside them.
	Closed bool
	// Own tells that it is the viewer's own hours alone that it is outside of.
	Own bool
	// Never tells that its own hours and the programme's have none in common, for years to come.
	Never bool
	// Since is when they ended, or began, and Next when they next begin; zero where that isn't known.
	Since, Next time.Time
}

// Opening is what the operating hours are at t.
func (s *Schedule) Opening(t time.Time) Opening {
	t = t.UTC()
	open := s.open(t)
	limits := state(State{}, open.from, open.to)
	if open.on {
		o := Opening{Since: limits.Since}
		if !limits.Until.IsZero() {
			shut := s.opening.at(open.to)
			o.Next = state(State{}, shut.from, shut.to).Until
		}
		return o
	}
	programme := s.programme.at(t)
	return Opening{
		Closed: true, Own: programme.on, Since: limits.Since, Next: limits.Until,
		Never: limits.Until.IsZero() && (programme.on || programme.to.Before(forever)),
	}
}

// open is the stretch of the operating hours, or outside them, around t.
func (s *Schedule) open(t time.Time) stretch {
	open := s.opening.at(t)
	if !open.on && open.to.Before(forever) && !s.opening.at(open.to).on {
		return stretch{false, beginning, forever} // where the search ended nothing begins
	}
	return open
}
