package schedule

import (
	"slices"
	"time"

	"vitrine/content/calendar"
)

// The ends of time: before the one and after the other nothing changes. Pages count in milliseconds, so that a year of more
// than four digits would be no help.
var (
	beginning = time.Time{}
	forever   = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
)

// A stretch is a stretch of time in which something is on all the time, or off all the time: from <= t < to.
type stretch struct {
	on       bool
	from, to time.Time
}

// A source is something that is on at some times: at gives the stretch that a moment is in.
type source interface {
	at(t time.Time) stretch
}

// once is on from one moment to another.
type once struct{ from, to time.Time }

func (o once) at(t time.Time) stretch {
	switch {
	case t.Before(o.from):
		return stretch{false, beginning, o.from}
	case t.Before(o.to):
		return stretch{true, o.from, o.to}
	}
	return stretch{false, o.to, forever}
}

// breaks are times at which something is off, sorted and apart from each other.
type breaks []once

func (b breaks) at(t time.Time) stretch {
	i, found := slices.BinarySearchFunc(b, t, func(o once, t time.Time) int { return o.from.Compare(t) })
	if found {
		i++
	}
	// The first i have begun.
	s := stretch{true, beginning, forever}
	if i > 0 {
		if last := b[i-1]; t.Before(last.to) {
			return stretch{false, last.from, last.to}
		}
		s.from = b[i-1].to
	}
	if i < len(b) {
		s.to = b[i].from
	}
	return s
}

// closedDays are the breaks of whole days, which are sorted.
func closedDays(days []calendar.Day, loc *time.Location) breaks {
	var list breaks
	for i := 0; i < len(days); {
		last := i
		for last+1 < len(days) && days[last+1] == days[last]+1 {
			last++
		}
		list = append(list, once{calendar.Resolve(days[i].Start(), loc).UTC(), calendar.Resolve((days[last] + 1).Start(), loc).UTC()})
		i = last + 1
	}
	return list
}

// pulse is on for a time at the beginning of each period, counted from 1970; both are in milliseconds.
type pulse struct{ every, length int64 }

func (p pulse) at(t time.Time) stretch {
	start := p.count(t) * p.every
	if end := start + p.length; t.UnixMilli() >= end {
		return stretch{false, moment(end), moment(start + p.every)}
	}
	return stretch{true, moment(start), moment(start + p.length)}
}

// count is how many whole periods there were before t.
func (p pulse) count(t time.Time) int64 { return floorDiv(t.UnixMilli(), p.every) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// moment is a time in milliseconds since 1970.
func moment(millis int64) time.Time { return time.UnixMilli(millis).UTC() }

// A walled timetable gives wall times: the last part that begins at or before one, and the first after it.
type walled interface {
	Before(wall time.Time) (from, to time.Time, ok bool)
	After(wall time.Time) (from, to time.Time, ok bool)
}

// occurrences are those of a rule, as parts.
type occurrences struct {
	rule   *calendar.Rule
	length time.Duration
}

func (o occurrences) Before(wall time.Time) (from, to time.Time, ok bool) {
	from, ok = o.rule.Before(wall)
	return from, from.Add(o.length), ok
}

func (o occurrences) After(wall time.Time) (from, to time.Time, ok bool) {
	from, ok = o.rule.After(wall)
	return from, from.Add(o.length), ok
}

// series is a timetable of wall times in a zone. A part ends when the next begins. One that doesn't exist, because clocks went forward over
// all of it, is left out.
type series struct {
	parts  walled
	loc    *time.Location
	except calendar.Exceptions
	// joins tells that parts that touch are one: hours, and not the occurrences of an event.
	joins bool
}

// maxJoined is how many parts are joined in each direction: a year of days. What goes on for longer counts as without a limit.
const maxJoined = 366

func (s series) at(t time.Time) stretch {
	next := forever
	if after, ok := s.next(t); ok {
		next = after.from
	}
	last, ok := s.last(t)
	switch {
	case !ok:
		return stretch{false, beginning, next}
	case t.Before(last.to):
		return s.join(stretch{true, last.from, earlier(last.to, next)})
	}
	return stretch{false, last.to, next}
}

// join adds the parts that touch a stretch.
func (s series) join(on stretch) stretch {
	if !s.joins {
		return on
	}
	joined := 0
	for ; joined < maxJoined; joined++ {
		before, ok := s.last(on.from.Add(-time.Nanosecond))
		if !ok || before.to.Before(on.from) {
			break
		}
		on.from = before.from
	}
	if joined == maxJoined {
		on.from = beginning
	}
	for joined = 0; joined < maxJoined; joined++ {
		after, ok := s.next(on.to.Add(-time.Nanosecond))
		if !ok || after.from.After(on.to) {
			break
		}
		on.to = after.to
	}
	return on
}

// last is the part that began last at t.
func (s series) last(t time.Time) (best once, found bool) {
	wall := calendar.Wall(t, s.loc)
	if !calendar.Steady(wall, s.loc) {
		wall = wall.Add(calendar.Reach)
	}
	var bestWall time.Time
	for {
		from, to, ok := s.parts.Before(wall)
		// Where the offset changes, parts may begin in another order than on the wall: all that are near are looked at.
		if !ok || found && from.Before(bestWall.Add(-calendar.Reach)) {
			return best, found
		}
		part, exists := s.resolve(from, to)
		if exists && !part.from.After(t) && (!found || part.from.After(best.from)) {
			best, bestWall, found = part, from, true
		}
		if found && calendar.Steady(from, s.loc) {
			return best, true
		}
		wall = from.Add(-time.Nanosecond)
	}
}

// next is the part that begins first after t.
func (s series) next(t time.Time) (best once, found bool) {
	wall := calendar.Wall(t, s.loc)
	if !calendar.Steady(wall, s.loc) {
		wall = wall.Add(-calendar.Reach)
	}
	var bestWall time.Time
	for {
		from, to, ok := s.parts.After(wall)
		if !ok || found && from.After(bestWall.Add(calendar.Reach)) {
			return best, found
		}
		part, exists := s.resolve(from, to)
		if exists && part.from.After(t) && (!found || part.from.Before(best.from)) {
			best, bestWall, found = part, from, true
		}
		if found && calendar.Steady(from, s.loc) {
			return best, true
		}
		wall = from
	}
}

func (s series) resolve(from, to time.Time) (part once, exists bool) {
	part = once{calendar.Resolve(from, s.loc).UTC(), calendar.Resolve(to, s.loc).UTC()}
	return part, part.from.Before(part.to) && !s.except.Has(part.from, from)
}

// all is on while all of its sources are.
type all []source

// maxSteps is how many changes of its sources are looked at to find the next time at which all are on. If that isn't enough, the stretch
// ends where the search did.
const maxSteps = 100

func (a all) at(t time.Time) stretch {
	s := a.look(t)
	if s.on || len(a) == 1 {
		return s
	}
	for range maxSteps {
		if !s.to.Before(forever) {
			break
		}
		next := a.look(s.to)
		if next.on {
			break
		}
		s.to = next.to
	}
	for range maxSteps {
		if !s.from.After(beginning) {
			break
		}
		before := a.look(s.from.Add(-time.Nanosecond))
		if before.on {
			break
		}
		s.from = before.from
	}
	return s
}

// look gives the stretch in which all are on, or one in which those that are off now stay off.
func (a all) look(t time.Time) stretch {
	on := stretch{true, beginning, forever}
	off := stretch{false, forever, beginning}
	for _, source := range a {
		s := source.at(t)
		if s.on {
			on.from, on.to = later(on.from, s.from), earlier(on.to, s.to)
		} else {
			on.on = false
			off.from, off.to = earlier(off.from, s.from), later(off.to, s.to)
		}
	}
	if on.on {
		return on
	}
	return off
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
