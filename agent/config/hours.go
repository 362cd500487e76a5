package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours are times of the day, in the machine's time zone. None means always.
type Hours []Span

// A Span is from one time of the day to another, which may be on the next day. Both are the time since midnight by the clock on the wall.
type Span struct{ From, To time.Duration }

// parseHours reads spans such as "22:00-06:00".
func parseHours(list []string) (Hours, error) {
	var h Hours
	for i, s := range list {
		from, to, ok := strings.Cut(s, "-")
		a, errA := parseTimeOfDay(from)
		b, errB := parseTimeOfDay(to)
		if !ok || errA != nil || errB != nil || a == b {
			return nil, fmt.Errorf("windows[%d]: %.40q is not a span such as \"22:00-06:00\"", i, s)
		}
		h = append(h, Span{a, b})
	}
	return h, nil
}

// parseTimeOfDay reads "15:04", and "24:00" for the end of the day.
func parseTimeOfDay(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if s == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

// At tells whether t is within the hours, and how long that holds; 0 is for ever. Where daylight saving skips or repeats an hour, the
// clock on the wall counts.
func (h Hours) At(t time.Time) (within bool, holds time.Duration) {
	if len(h) == 0 {
		return true, 0
	}
	within = h.covers(t)
	for _, at := range h.changes(t) {
		if at.After(t) && h.covers(at) != within {
			return within, at.Sub(t)
		}
	}
	return within, 0
}

func (h Hours) covers(t time.Time) bool {
	of := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
	return slices.ContainsFunc(h, func(s Span) bool {
		if s.From < s.To {
			return s.From <= of && of < s.To
		}
		return of >= s.From || of < s.To
	})
}

// changes are the moments of this day and the next two at which a span begins or ends, in order.
func (h Hours) changes(t time.Time) []time.Time {
	var list []time.Time
	for day := range 3 {
		for _, s := range h {
			for _, of := range []time.Duration{s.From, s.To} {
				list = append(list, time.Date(t.Year(), t.Month(), t.Day()+day, int(of/time.Hour), int(of%time.Hour/time.Minute), 0, 0, t.Location()))
			}
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}
