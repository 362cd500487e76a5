// Package schedule says which presentation is on at a moment, and where in its playlists that moment is.
//
// Both are pure functions of the manifest and the time, so that every viewer with the same manifest and a good clock shows
// the same item without a word between them. The package does no I/O, never asks for the time, and never decides what
// is done about a change: it only says when the next one comes.
package schedule

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"vitrine/content/manifest"
)

// NoEvent is State.Event while no event is on.
const NoEvent = -1

// A State is what is on at one moment.
type State struct {
	// Presentation is the name of the presentation that is on; empty on standby.
	Presentation string
	// Event is the index of the event in the manifest that put it on, or NoEvent.
	Event int
	// Standby tells that it is outside the operating hours, and nothing is on.
	Standby bool
	// Since is when it came on; zero if it has been on for as long as the schedule knows.
	Since time.Time
	// Until is when something else comes on, or the same begins anew; zero if no change is known.
	Until time.Time
	// Anchor is the moment that playlist positions count from (see Position): the start of the event's occurrence or daypart, and the Unix epoch
	// for the default presentation and an event without a start. It differs from Since when an event comes back after a more important one. For an event
	// that has the screen only in turns it is such that its playlists go on where they stopped.
	Anchor time.Time
}

// A Schedule is the timetable of one manifest. It is immutable and safe for concurrent use.
type Schedule struct {
	fallback string
	// events are in order of rank, the most important first.
	events   []*event
	rotation int64 // milliseconds
	// zone is what the manifest names; nil if it names none.
	zone *time.Location
	// opening is when a viewer is to show anything, and programme what the manifest says of that.
	opening, programme source
}

// An event is a manifest.Event with its times compiled.
type event struct {
	index        int
	presentation string
	priority     int
	share        int64
	// times is when it is on; without its interrupt, which is nil if it has none.
	times     all
	interrupt *pulse
	// last is the stretch that was found last: most questions are about the same one as the question before.
	last atomic.Pointer[stretch]
}

// New works out the timetable of a manifest. It refuses one whose time zone isn't known to this machine, and events with
// a time that can't be read, that end before they start, or whose presentation doesn't exist; the error names the field.
// The time zone database of the operating system (or of platform/zones) is the one thing it looks at beside m.
func New(m *manifest.Manifest) (*Schedule, error) {
	if _, ok := m.Presentations[m.Schedule.Default]; !ok {
		return nil, fmt.Errorf("schedule.default: there is no presentation %q", m.Schedule.Default)
	}
	zone, err := m.Location()
	if err != nil {
		return nil, err
	}
	s := &Schedule{fallback: m.Schedule.Default, rotation: int64(math.Round(m.Schedule.Rotation * 1000))}
	if s.rotation == 0 {
		s.rotation = manifest.DefaultRotation.Milliseconds()
	}
	if s.programme, err = opening(m.Schedule, zone); err != nil {
		return nil, fmt.Errorf("schedule.%w", err)
	}
	s.opening = s.programme
	if m.Timezone != "" {
		s.zone = zone
	}
	for i, e := range m.Schedule.Events {
		times, err := e.Times(zone)
		if err != nil {
			return nil, fmt.Errorf("schedule.events[%d].%w", i, err)
		}
		if _, ok := m.Presentations[e.Presentation]; !ok {
			return nil, fmt.Errorf("schedule.events[%d].presentation: there is no presentation %q", i, e.Presentation)
		}
		s.events = append(s.events, compile(i, e, times, zone))
	}
	slices.SortFunc(s.events, func(a, b *event) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(b.index, a.index))
	})
	return s, nil
}

func compile(index int, e manifest.Event, times manifest.Times, zone *time.Location) *event {
	compiled := &event{index: index, presentation: e.Presentation, priority: e.Priority, share: int64(e.Share)}
	switch {
	case times.Rule != nil:
		compiled.times = append(compiled.times, series{occurrences{times.Rule, times.Length}, times.Location, times.Except, false})
	case !times.Start.IsZero() || !times.End.IsZero():
		span := once{beginning, forever}
		if !times.Start.IsZero() {
			span.from = times.Start.UTC()
		}
		if !times.End.IsZero() {
			span.to = times.End.UTC()
		}
		compiled.times = append(compiled.times, span)
	}
	if times.Dayparts != nil && (!times.Dayparts.Always() || len(e.ExDates) > 0) {
		compiled.times = append(compiled.times, series{times.Dayparts, zone, times.Except, true})
	}
	if i := e.Interrupt; i != nil {
		compiled.interrupt = &pulse{int64(math.Round(i.Every * 1000)), int64(math.Round(i.Seconds * 1000))}
	}
	return compiled
}

// at is the stretch in which the event is on, or off, around t.
func (e *event) at(t time.Time) stretch {
	if last := e.last.Load(); last != nil && !t.Before(last.from) && t.Before(last.to) {
		return *last
	}
	sources := e.times
	if e.interrupt != nil {
		sources = append(slices.Clip(sources), *e.interrupt)
	}
	s := sources.at(t)
	e.last.Store(&s)
	return s
}

// anchor is where the positions count from while the event is on around t.
func (e *event) anchor(t time.Time) time.Time {
	if e.interrupt != nil {
		// The playlists go on where the last interrupt stopped, as if nothing had been between.
		count := e.interrupt.count(t)
		return moment(count*e.interrupt.every - count*e.interrupt.length)
	}
	return anchorOf(e.at(t).from)
}

func anchorOf(from time.Time) time.Time {
	if from.After(beginning) {
		return from
	}
	return moment(0)
}

// At is what is on at t: the event with the highest priority that is on at t, the later in the list where two are equal, else
// the default presentation, and outside the operating hours nothing. Without trust in the clock, dates mean nothing: the default is on, and
// no change is known. It costs microseconds for each event that has changed since it was last asked, whatever the event's age, and
// nanoseconds for the others.
func (s *Schedule) At(t time.Time, trusted bool) State {
	if !trusted {
		return State{Presentation: s.fallback, Event: NoEvent, Anchor: moment(0)}
	}
	t = t.UTC()
	open := s.open(t)
	if !open.on {
		return state(State{Event: NoEvent, Standby: true, Anchor: anchorOf(open.from)}, open.from, open.to)
	}
	return s.shown(t, open)
}

// Awake is what At is for a viewer that was woken outside the operating hours: what would be on without them.
func (s *Schedule) Awake(t time.Time, trusted bool) State {
	if !trusted {
		return s.At(t, false)
	}
	t = t.UTC()
	return s.shown(t, s.open(t))
}

// shown is what is on at t by the events, within limits.
func (s *Schedule) shown(t time.Time, limits stretch) State {
	from, to := limits.from, limits.to
	for i, e := range s.events {
		times := e.at(t)
		from, to = later(from, times.from), earlier(to, times.to)
		if !times.on {
			continue
		}
		on := State{Presentation: e.presentation, Event: e.index}
		if e.share > 0 {
			return s.turn(i, on, t, from, to)
		}
		on.Anchor = e.anchor(t)
		return state(on, from, to)
	}
	return state(State{Presentation: s.fallback, Event: NoEvent, Anchor: moment(0)}, from, to)
}

// state fills in from when to when something is on.
func state(s State, from, to time.Time) State {
	if from.After(beginning) {
		s.Since = from
	}
	if to.Before(forever) {
		s.Until = to
	}
	return s
}

// turn finds out which of the events that share the screen at t has its turn. First is the most important of them, on is its State, and
// from and to are what limits it so far.
func (s *Schedule) turn(first int, on State, t, from, to time.Time) State {
	var sharing []*event
	var total int64
	for i := first; i < len(s.events) && s.events[i].priority == s.events[first].priority; i++ {
		e := s.events[i]
		if e.share == 0 {
			continue
		}
		times := e.at(t)
		from, to = later(from, times.from), earlier(to, times.to)
		if times.on {
			sharing = append(sharing, e)
			total += e.share
		}
	}
	if len(sharing) == 1 {
		on.Anchor = sharing[0].anchor(t)
		return state(on, from, to)
	}
	slices.Reverse(sharing) // as they are in the manifest
	rotations := floorDiv(t.UnixMilli(), s.rotation)
	start := rotations * s.rotation
	into := t.UnixMilli() - start
	var before int64
	for _, e := range sharing {
		begin, end := s.rotation*before/total, s.rotation*(before+e.share)/total
		before += e.share
		if into >= end {
			continue
		}
		on = State{Presentation: e.presentation, Event: e.index}
		// What was shown in all turns up to now is what the playlists have behind them.
		on.Anchor = moment(start + begin - rotations*(end-begin))
		from, to = later(from, moment(start+begin)), earlier(to, moment(start+end))
		break
	}
	return state(on, from, to)
}

// Changes are the states that begin after from and before to, with the one at from before them.
func (s *Schedule) Changes(from, to time.Time, trusted bool) iter.Seq[State] {
	return func(yield func(State) bool) {
		for from.Before(to) {
			on := s.At(from, trusted)
			if !yield(on) || on.Until.IsZero() {
				return
			}
			from = on.Until
		}
	}
}
