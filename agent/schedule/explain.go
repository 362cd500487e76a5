package schedule

import (
	"slices"
	"time"
)

// A Verdict says what part an event has in what is on.
type Verdict int

// The verdicts.
const (
	// Shown is the event that is on.
	Shown Verdict = iota
	// Waiting is an event that shares the screen with the one that is on, and waits for its turn.
	Waiting
	// Outranked is an event that would be on, were it not for a more important one.
	Outranked
	// Off is an event that isn't on at this time.
	Off
	// Untrusted is an event that means nothing, for the clock isn't trusted.
	Untrusted
	// Closed is an event that would be on, were it not for the operating hours.
	Closed
)

// Opinion is what there is to say of one event at one moment.
type Opinion struct {
	// Event is its index in the manifest.
	Event   int
	Verdict Verdict
	// From and To are the limits of the time in which the event by itself stays on, or off; zero if there is none.
	From, To time.Time
}

// Explain says of each event, the most important first, why it is on at t or why not. What is on is what At says.
func (s *Schedule) Explain(t time.Time, trusted bool) []Opinion {
	on := s.At(t, trusted)
	var list []Opinion
	winner := slices.IndexFunc(s.events, func(e *event) bool { return e.index == on.Event })
	for i, e := range s.events {
		times := e.at(t.UTC())
		limits := state(State{}, times.from, times.to)
		o := Opinion{Event: e.index, From: limits.Since, To: limits.Until, Verdict: Outranked}
		switch {
		case !trusted:
			o.Verdict = Untrusted
		case !times.on:
			o.Verdict = Off
		case on.Standby:
			o.Verdict = Closed
		case i == winner:
			o.Verdict = Shown
		case e.share > 0 && e.priority == s.events[winner].priority && s.events[winner].share > 0:
			o.Verdict = Waiting
		}
		list = append(list, o)
	}
	return list
}
