// Package schedule says which presentation is on at a moment, and where in its playlists that moment is.
//
// Both are pure functions of the manifest and the time, so that every viewer with the same manifest and a good clock shows
// the same item without a word between them. The package does no I/O, never asks for the time, and never decides what
// is done about a change: it only says when the next one comes.
package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"vitrine/content/manifest"
)

// NoEvent is State.Event while the default presentation is on.
const NoEvent = -1

// A State is what is on at one moment.
type State struct {
	// Presentation is the name of the presentation that is on.
	Presentation string
	// Event is the index of the event in the manifest that put it on, or NoEvent.
	Event int
	// Since is when it came on; zero if it has been on for as long as the schedule knows.
	Since time.Time
	// Until is when something else comes on; zero if no change is known.
	Until time.Time
	// Anchor is the moment that playlist positions count from (see Position): the event's start, or the Unix epoch for the default
	// presentation. It differs from Since when an event comes back after a more important one.
	Anchor time.Time
}

// A Schedule is the timetable of one manifest. It is immutable and safe for concurrent use.
type Schedule struct {
	fallback string
	events   []event
	// spans are in order of time and without gaps from the first to the last change.
	spans []span
}

// An event is a manifest.Event with its times resolved. It covers start <= t < end.
type event struct {
	presentation string
	start, end   time.Time
	priority     int
}

// A span is a stretch of time in which one event is on (or none); it lasts until the next span starts.
type span struct {
	start time.Time
	event int
}

// New works out the timetable of a manifest. It refuses one whose time zone isn't known to this machine, and events with
// a time that can't be read, that end before they start, or whose presentation doesn't exist; the error names the field.
// The time zone database of the operating system (or of time/tzdata) is the one thing it looks at beside m.
func New(m *manifest.Manifest) (*Schedule, error) {
	if _, ok := m.Presentations[m.Schedule.Default]; !ok {
		return nil, fmt.Errorf("schedule.default: there is no presentation %q", m.Schedule.Default)
	}
	zone, err := m.Location()
	if err != nil {
		return nil, err
	}
	s := &Schedule{fallback: m.Schedule.Default}
	for i, e := range m.Schedule.Events {
		start, end, err := e.Times(zone)
		if err != nil {
			return nil, fmt.Errorf("schedule.events[%d].%w", i, err)
		}
		if _, ok := m.Presentations[e.Presentation]; !ok {
			return nil, fmt.Errorf("schedule.events[%d].presentation: there is no presentation %q", i, e.Presentation)
		}
		s.events = append(s.events, event{e.Presentation, start.UTC(), end.UTC(), e.Priority})
	}
	s.spans = spansOf(s.events)
	return s, nil
}

// At is what is on at t: the event with the highest priority that covers t, the later in the list where two are equal, else
// the default presentation. Without trust in the clock, dated events mean nothing: the default is on, and no change
// is known. It costs one binary search, whatever the number of events.
func (s *Schedule) At(t time.Time, trusted bool) State {
	state := State{Presentation: s.fallback, Event: NoEvent, Anchor: time.Unix(0, 0).UTC()}
	if !trusted || len(s.spans) == 0 {
		return state
	}
	i, found := slices.BinarySearchFunc(s.spans, t, func(p span, t time.Time) int { return p.start.Compare(t) })
	if !found {
		i--
	}
	if i+1 < len(s.spans) {
		state.Until = s.spans[i+1].start
	}
	if i < 0 {
		return state
	}
	on := s.spans[i]
	state.Since = on.start
	if on.event != NoEvent {
		e := s.events[on.event]
		state.Event, state.Presentation, state.Anchor = on.event, e.presentation, e.start
	}
	return state
}

// spansOf sweeps over the starts and ends of the events in order of time, with the events that are running at hand in order
// of rank, and notes each change of the one on top.
func spansOf(events []event) []span {
	type edge struct {
		at     time.Time
		event  int
		starts bool
	}
	edges := make([]edge, 0, 2*len(events))
	for i, e := range events {
		edges = append(edges, edge{e.start, i, true}, edge{e.end, i, false})
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return a.at.Compare(b.at) })
	rank := func(a, b int) int {
		return cmp.Or(cmp.Compare(events[a].priority, events[b].priority), cmp.Compare(a, b))
	}
	var spans []span
	var running []int
	on := NoEvent
	for i, e := range edges {
		at, found := slices.BinarySearchFunc(running, e.event, rank)
		switch {
		case e.starts && !found:
			running = slices.Insert(running, at, e.event)
		case !e.starts && found:
			running = slices.Delete(running, at, at+1)
		}
		if i+1 < len(edges) && edges[i+1].at.Equal(e.at) {
			continue
		}
		top := NoEvent
		if n := len(running); n > 0 {
			top = running[n-1]
		}
		if top != on {
			spans = append(spans, span{e.at, top})
			on = top
		}
	}
	return spans
}
