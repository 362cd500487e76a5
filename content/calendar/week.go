package calendar

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours are a part of the day on some days of the week, such as from 07:00 to 22:00 on MO-FR.
type Hours struct {
	// Days are days and ranges of days with commas between them, in the two letters of RFC 5545: "MO-FR,SU". Empty means every day.
	Days string `json:"days,omitempty"`
	// From and To are wall times, "hh:mm" or "hh:mm:ss"; To may be "24:00". If To isn't later than From it is on the next day.
	From string `json:"from"`
	To   string `json:"to"`
}

// A Week has the hours of every week, in parts that each begin on a day of their own: hours that overlap are one part if they begin on the same day,
// else the first ends where the next begins.
type Week struct {
	// parts are in seconds since Monday's midnight, sorted, and don't overlap. The last may reach into the next week.
	parts []part
}

type part struct{ from, to int }

func (p part) day() int { return p.from / secondsOfDay }

const (
	secondsOfWeek = 7 * secondsOfDay
	maxHours      = 1000
)

// ParseWeek reads hours; an error names the entry and its field, such as [2].from.
func ParseWeek(hours []Hours) (*Week, error) {
	if len(hours) > maxHours {
		return nil, fmt.Errorf(": %d are more than the limit of %d", len(hours), maxHours)
	}
	var parts []part
	for i, h := range hours {
		days, err := parseWeekdays(h.Days)
		if err != nil {
			return nil, fmt.Errorf("[%d].days: %w", i, err)
		}
		from, err := parseClock(h.From)
		if err != nil || from == secondsOfDay {
			return nil, fmt.Errorf("[%d].from: %.20q is not a time of the day such as 07:00", i, h.From)
		}
		to, err := parseClock(h.To)
		if err != nil {
			return nil, fmt.Errorf("[%d].to: %w", i, err)
		}
		if to <= from {
			to += secondsOfDay
		}
		for _, day := range days {
			parts = append(parts, part{day*secondsOfDay + from, day*secondsOfDay + to})
		}
	}
	return &Week{separate(parts)}, nil
}

// separate makes parts that don't overlap, also across the end of the week.
func separate(parts []part) []part {
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.from, b.from) })
	var list []part
	for _, p := range parts {
		last := len(list) - 1
		switch {
		case last < 0 || p.from > list[last].to:
			list = append(list, p)
		case p.day() == list[last].day():
			list[last].to = max(list[last].to, p.to)
		case p.to > list[last].to:
			list[last].to = p.from
			list = append(list, p)
		}
	}
	for len(list) > 1 {
		first, last := list[0], &list[len(list)-1]
		if first.from+secondsOfWeek >= last.to {
			break
		}
		if first.to+secondsOfWeek > last.to {
			last.to = first.from + secondsOfWeek
			break
		}
		list = list[1:]
	}
	return list
}

// Always tells whether there is no other time.
func (w *Week) Always() bool {
	if len(w.parts) == 0 {
		return false
	}
	end := w.parts[0].from
	for _, p := range w.parts {
		if p.from > end {
			return false
		}
		end = p.to
	}
	return end >= w.parts[0].from+secondsOfWeek
}

// String is the week as a person reads it, day by day from Monday: "Mon-Fri 07:00-22:00, Sat 09:00-12:00 13:00-18:00, Sun closed".
func (w *Week) String() string {
	var days [7]string
	for _, p := range w.parts {
		days[p.day()] += " " + clock(p.from%secondsOfDay) + "-" + clock((p.to-1)%secondsOfDay+1)
	}
	var list []string
	for i := 0; i < len(days); {
		last := i
		for last+1 < len(days) && days[last+1] == days[i] {
			last++
		}
		name := dayName(i)
		if last > i {
			name += "-" + dayName(last)
		}
		list = append(list, name+cmp.Or(days[i], " closed"))
		i = last + 1
	}
	return strings.Join(list, ", ")
}

func dayName(day int) string { return time.Weekday((day + 1) % 7).String()[:3] }

func clock(second int) string {
	text := fmt.Sprintf("%02d:%02d", second/3600, second/60%60)
	if second%60 != 0 {
		text += fmt.Sprintf(":%02d", second%60)
	}
	return text
}

// Before is the last part that begins at or before a wall time; false if there are no hours.
func (w *Week) Before(wall time.Time) (from, to time.Time, ok bool) {
	if len(w.parts) == 0 {
		return from, to, false
	}
	monday := mondayOf(wall)
	second := int(wall.Unix() - monday.Unix())
	for _, p := range slices.Backward(w.parts) {
		if p.from <= second {
			from, to = p.after(monday)
			return from, to, true
		}
	}
	from, to = w.parts[len(w.parts)-1].after(monday.AddDate(0, 0, -7))
	return from, to, true
}

// After is the first part that begins after a wall time; false if there are no hours.
func (w *Week) After(wall time.Time) (from, to time.Time, ok bool) {
	if len(w.parts) == 0 {
		return from, to, false
	}
	monday := mondayOf(wall)
	for _, p := range w.parts {
		if from, to = p.after(monday); from.After(wall) {
			return from, to, true
		}
	}
	from, to = w.parts[0].after(monday.AddDate(0, 0, 7))
	return from, to, true
}

func (p part) after(monday time.Time) (from, to time.Time) {
	return monday.Add(time.Duration(p.from) * time.Second), monday.Add(time.Duration(p.to) * time.Second)
}

func mondayOf(wall time.Time) time.Time {
	day := DayOf(wall)
	return (day - Day((day.Weekday()+6)%7)).Start()
}

// parseWeekdays gives the days of a text such as MO-FR,SU; Monday is 0.
func parseWeekdays(text string) ([]int, error) {
	if text == "" {
		text = "MO-SU"
	}
	var days []int
	for piece := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(piece, "-")
		if !ranged {
			last = first
		}
		from, ok := weekdays[first]
		to, okToo := weekdays[last]
		if !ok || !okToo {
			return nil, fmt.Errorf("%.40q: want days such as MO-FR,SU", text)
		}
		for day := int(from+6) % 7; ; day = (day + 1) % 7 {
			days = append(days, day)
			if day == int(to+6)%7 {
				break
			}
		}
	}
	return days, nil
}

// parseClock reads hh:mm or hh:mm:ss, in seconds since midnight.
func parseClock(s string) (int, error) {
	bad := fmt.Errorf("%.20q is not a time of the day such as 22:00", s)
	pieces := strings.Split(s, ":")
	if len(pieces) < 2 || len(pieces) > 3 {
		return 0, bad
	}
	seconds := 0
	for i, unit := range []int{3600, 60, 1}[:len(pieces)] {
		n, err := strconv.ParseUint(pieces[i], 10, 8)
		if err != nil || len(pieces[i]) != 2 || i > 0 && n > 59 {
			return 0, bad
		}
		seconds += int(n) * unit
	}
	if seconds > secondsOfDay {
		return 0, bad
	}
	return seconds, nil
}

// Exceptions are days and times at which something doesn't happen.
type Exceptions struct {
	days  map[Day]bool
	times map[int64]bool
}

const maxExceptions = 1000

// ParseExceptions reads dates such as 2026-12-25, and times as ParseTime takes them; an error names the entry.
func ParseExceptions(list []string, loc *time.Location) (Exceptions, error) {
	e := Exceptions{map[Day]bool{}, map[int64]bool{}}
	if len(list) > maxExceptions {
		return e, fmt.Errorf(": %d are more than the limit of %d", len(list), maxExceptions)
	}
	for i, s := range list {
		if day, err := ParseDay(s); err == nil {
			e.days[day] = true
			continue
		}
		t, err := ParseTime(s, loc)
		if err != nil {
			return e, fmt.Errorf("[%d]: %.40q: want a date such as 2026-12-25, or a time such as 2026-12-25T11:30:00", i, s)
		}
		e.times[t.Moment.Unix()] = true
	}
	return e, nil
}

// ExceptDays are whole days.
func ExceptDays(days []Day) Exceptions {
	e := Exceptions{days: map[Day]bool{}}
	for _, day := range days {
		e.days[day] = true
	}
	return e
}

// Has tells whether what begins at a moment, and at its wall time, is left out.
func (e Exceptions) Has(moment, wall time.Time) bool {
	return len(e.days) > 0 && e.days[DayOf(wall)] || len(e.times) > 0 && e.times[moment.Unix()]
}

// ParseDays reads dates, and sorts them.
func ParseDays(list []string) ([]Day, error) {
	if len(list) > maxExceptions {
		return nil, fmt.Errorf(": %d are more than the limit of %d", len(list), maxExceptions)
	}
	days := make([]Day, 0, len(list))
	for i, s := range list {
		day, err := ParseDay(s)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		days = append(days, day)
	}
	slices.Sort(days)
	return slices.Compact(days), nil
}
