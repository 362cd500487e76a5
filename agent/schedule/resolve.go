package schedule

import (
	"fmt"
	"time"

	"vitrine/content/manifest"
)

// floating is the form of a time without a zone: RFC 3339's, without its offset.
const floating = "2006-01-02T15:04:05"

// resolve reads the times of an event, in zone where they name none.
func resolve(e manifest.Event, zone *time.Location) (event, error) {
	start, err := resolveTime(e.Start, zone)
	if err != nil {
		return event{}, fmt.Errorf("start: %w", err)
	}
	end, err := resolveTime(e.End, zone)
	if err != nil {
		return event{}, fmt.Errorf("end: %w", err)
	}
	if !end.After(start) {
		return event{}, fmt.Errorf("end: %s is not after the start, %s", e.End, e.Start)
	}
	return event{e.Presentation, start, end, e.Priority}, nil
}

// resolveTime reads an RFC 3339 time, or one without a zone as local time in zone. Two kinds of local time need a rule, and it
// is that of RFC 5545, section 3.3.5: one that occurs twice, when clocks go back, is the first; one that doesn't occur, when
// clocks go forward, is read with the offset from before the change.
func resolveTime(s string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	wall, err := time.Parse(floating, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.40q is not a time like 2026-11-23T11:30:00 or 2026-11-23T11:30:00Z", s)
	}
	// The offset in force a day earlier is the one from before any change that could matter here: no zone changes twice in
	// two days.
	before := wall.Add(-offsetAt(wall.Add(-24*time.Hour), zone))
	if local := before.Add(offsetAt(before, zone)); local.Equal(wall) {
		return before, nil
	}
	after := wall.Add(-offsetAt(wall.Add(24*time.Hour), zone))
	if local := after.Add(offsetAt(after, zone)); local.Equal(wall) {
		return after, nil
	}
	return before, nil
}

// offsetAt is how far zone is ahead of UTC at t.
func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
