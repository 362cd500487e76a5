// Package calendar has the times that people write: local times with daylight saving, rules of recurrence (RFC 5545), hours
// of the week and days.
//
// It is pure arithmetic, never asks for the time, and knows nothing of what is done at these times. A local time is kept as a
// time.Time whose fields are the wall clock's and whose location is UTC; the documentation calls it a wall time. All
// values are immutable and safe for concurrent use.
package calendar

import (
	"fmt"
	"strings"
	"time"
)

// wallForm is RFC 3339 without a zone.
const wallForm = "2006-01-02T15:04:05"

// dayForm is a date of RFC 3339.
const dayForm = "2006-01-02"

// Resolve finds the moment of a wall time. One that doesn't exist, because clocks went forward, has the offset before the change; one
// that exists twice is the first (RFC 5545, section 3.3.5).
func Resolve(wall time.Time, loc *time.Location) time.Time {
	// time.Date leaves open which of two offsets it takes around a change, so that both are tried: the larger offset, which is the
	// earlier moment, is before a change back and after one forward.
	before, after := offsetsAround(wall, loc)
	for _, offset := range []int{max(before, after), min(before, after)} {
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, actual := t.In(loc).Zone(); actual == offset {
			return t.In(loc)
		}
	}
	return wall.Add(-time.Duration(before) * time.Second).In(loc)
}

// Wall is what clocks on the wall show at t.
func Wall(t time.Time, loc *time.Location) time.Time {
	_, offset := t.In(loc).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// Reach is how far from a change of offset wall times may come in another order than their moments: no zone ever moved by
// more than a day.
const Reach = 24 * time.Hour

// Steady tells whether the offset doesn't change within a day of a wall time, so that wall times around it are in the
// order of their moments.
func Steady(wall time.Time, loc *time.Location) bool {
	before, after := offsetsAround(wall, loc)
	return before == after
}

func offsetsAround(wall time.Time, loc *time.Location) (before, after int) {
	_, before = wall.Add(-Reach).In(loc).Zone()
	_, after = wall.Add(Reach).In(loc).Zone()
	return before, after
}

// A Time is a time as somebody wrote it.
type Time struct {
	Moment time.Time
	// Wall is what is written, without the zone.
	Wall time.Time
	// Floats tells that no zone is written.
	Floats bool
}

// ParseTime reads an RFC 3339 time, with a zone or without one; one without a zone is a wall time in loc. It is stricter than time.Parse, which
// takes a short hour and a decimal comma, as RFC 3339 doesn't.
func ParseTime(s string, loc *time.Location) (Time, error) {
	strict := len(s) >= len(wallForm) && s[len("2006-01-02T15")] == ':' && !strings.Contains(s, ",")
	if t, err := time.Parse(time.RFC3339, s); err == nil && strict {
		return Time{Moment: t, Wall: Wall(t, t.Location())}, nil
	}
	wall, err := time.Parse(wallForm, s)
	if err != nil || !strict {
		return Time{}, fmt.Errorf("%.40q: want a time such as 2026-11-23T11:30:00, with or without a zone", s)
	}
	return Time{Moment: Resolve(wall, loc), Wall: wall, Floats: true}, nil
}

// A Day is a date: days since 1 January 1970.
type Day int

// DayOf is the date of a wall time.
func DayOf(wall time.Time) Day {
	seconds := wall.Unix()
	day := seconds / secondsOfDay
	if seconds%secondsOfDay < 0 {
		day--
	}
	return Day(day)
}

// ParseDay reads a date such as 2026-12-25.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(dayForm, s)
	if err != nil {
		return 0, fmt.Errorf("%.40q: want a date such as 2026-12-25", s)
	}
	return DayOf(t), nil
}

const secondsOfDay = 24 * 60 * 60

// Start is midnight at the beginning of the day, as a wall time.
func (d Day) Start() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// String is the date in RFC 3339 form.
func (d Day) String() string { return d.Start().Format(dayForm) }

// Weekday is the day's name.
func (d Day) Weekday() time.Weekday { return d.Start().Weekday() }

// dayOf is a date by its parts, which may be out of range as for time.Date.
func dayOf(year int, month time.Month, day int) Day {
	return DayOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}
