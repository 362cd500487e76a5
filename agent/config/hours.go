package config

import (
	"fmt"
	"strings"
	"time"

	"vitrine/content/calendar"
)

// parseHours reads entries such as "22:00-06:00" and "MO-FR 07:00-22:00"; none is nil, for always.
func parseHours(name string, list []string) (*calendar.Week, error) {
	var parts []calendar.Hours
	for i, text := range list {
		part, ok := parsePart(text)
		if !ok {
			return nil, fmt.Errorf("%s[%d]: %.60q are no hours such as \"22:00-06:00\" or \"MO-FR 07:00-22:00\"", name, i, text)
		}
		if parts = append(parts, part); (part.Days == "") != (parts[0].Days == "") {
			return nil, fmt.Errorf("%s[%d]: %.60q: all of these hours must be with days, or none; they add up", name, i, text)
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	week, err := calendar.ParseWeek(parts)
	if err != nil {
		return nil, fmt.Errorf("%s%w", name, err)
	}
	return week, nil
}

// parsePart takes days as people write them: "Mon - Fri", "Saturday, Sunday", and dashes that aren't hyphens.
func parsePart(text string) (part calendar.Hours, ok bool) {
	text = strings.NewReplacer("\u2013", "-", "\u2014", "-").Replace(text)
	begin := strings.IndexAny(text, "0123456789")
	if begin < 0 {
		return part, false
	}
	if part.Days, ok = parseDays(text[:begin]); !ok {
		return part, false
	}
	from, to, ok := strings.Cut(text[begin:], "-")
	a, errA := parseTimeOfDay(from)
	b, errB := parseTimeOfDay(to)
	part.From, part.To = clockOf(a%(24*time.Hour)), clockOf(b)
	return part, ok && errA == nil && errB == nil && a != b
}

// parseDays gives days in the form of calendar.Hours.
func parseDays(text string) (string, bool) {
	var days []string
	for piece := range strings.SplitSeq(text, ",") {
		var ends []string
		for word := range strings.SplitSeq(piece, "-") {
			day, ok := parseDay(strings.TrimSpace(word))
			if !ok {
				return "", strings.TrimSpace(text) == ""
			}
			ends = append(ends, day)
		}
		if len(ends) > 2 {
			return "", false
		}
		days = append(days, strings.Join(ends, "-"))
	}
	return strings.Join(days, ","), true
}

// parseDay takes a day's English name, or the beginning of it, and gives its two letters.
func parseDay(word string) (string, bool) {
	for day := range time.Weekday(7) {
		if name := day.String(); len(word) >= 2 && len(word) <= len(name) && strings.EqualFold(name[:len(word)], word) {
			return strings.ToUpper(name[:2]), true
		}
	}
	return "", false
}

func clockOf(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", d/time.Hour, d%time.Hour/time.Minute)
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
