package calendar

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Rule is a recurrence rule (RRULE, RFC 5545, section 3.3.10) with its first time: the wall times at which something comes back.
// It goes by the wall clock alone, so that daylight saving never moves an occurrence on it; Resolve gives the moments.
//
// It differs from the RFC in what follows. The first time is an occurrence only if the rule gives it, as with most libraries. FREQ=SECONDLY is
// refused, and so is more than one occurrence in a minute. BYWEEKNO needs a BYDAY. BYSETPOS is refused with HOURLY and MINUTELY.
type Rule struct {
	freq       frequency
	interval   int
	count      int
	start      time.Time
	startDay   Day
	until      time.Time // zero: for ever
	months     uint16    // bit 1 is January; 0 means all
	monthDays  []int
	yearDays   []int
	weeks      []int
	days       []nthDay
	hours      uint64 // bit 0 is the hour from midnight; 0 means all
	minutes    uint64
	seconds    uint64
	positions  []int
	weekStarts time.Weekday
	clock      []int // seconds since midnight, sorted; nil for HOURLY and MINUTELY
}

// nthDay is an entry of BYDAY: every such weekday, or the nth of the month or year, from the end if n is negative.
type nthDay struct {
	n   int
	day time.Weekday
}

type frequency int

const (
	minutely frequency = iota
	hourly
	daily
	weekly
	monthly
	yearly
)

var frequencies = map[string]frequency{
	"MINUTELY": minutely, "HOURLY": hourly, "DAILY": daily, "WEEKLY": weekly, "MONTHLY": monthly, "YEARLY": yearly,
}

var weekdays = map[string]time.Weekday{
	"SU": time.Sunday, "MO": time.Monday, "TU": time.Tuesday, "WE": time.Wednesday, "TH": time.Thursday, "FR": time.Friday, "SA": time.Saturday,
}

const (
	maxRule     = 1000  // bytes
	maxInterval = 10000 // of any frequency
	maxCount    = 10000
)

// ParseRule reads a rule such as FREQ=WEEKLY;BYDAY=MO,FR. Its occurrences are those from start, a wall time of whole seconds, on; loc is where an UNTIL in
// UTC is turned into a wall time. A rule of which no occurrence comes within 50 years of start is an error.
func ParseRule(text string, start time.Time, loc *time.Location) (*Rule, error) {
	if len(text) > maxRule {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(text), maxRule)
	}
	r := &Rule{freq: -1, interval: 1, start: start, startDay: DayOf(start), weekStarts: time.Monday}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(strings.ToUpper(text), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return nil, fmt.Errorf("%.40q: want NAME=VALUE parts with a semicolon between them, such as FREQ=WEEKLY;BYDAY=MO,FR", part)
		}
		if seen[name] {
			return nil, fmt.Errorf("%.40s: is there twice", name)
		}
		seen[name] = true
		if err := r.set(name, value, loc); err != nil {
			return nil, fmt.Errorf("%.40s: %w", name, err)
		}
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	r.fill()
	r.fillClock()
	if err := r.end(); err != nil {
		return nil, err
	}
	return r, nil
}

// set takes one part of the rule.
func (r *Rule) set(name, value string, loc *time.Location) (err error) {
	switch name {
	case "FREQ":
		freq, ok := frequencies[value]
		if !ok {
			return fmt.Errorf("%.40q: want YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY", value)
		}
		r.freq = freq
	case "INTERVAL":
		r.interval, err = number(value, 1, maxInterval)
	case "COUNT":
		r.count, err = number(value, 1, maxCount)
	case "UNTIL":
		r.until, err = parseUntil(value, loc)
	case "WKST":
		day, ok := weekdays[value]
		if !ok {
			return fmt.Errorf("%.40q: want a day such as MO", value)
		}
		r.weekStarts = day
	case "BYMONTH":
		var mask uint64
		mask, err = set(value, 1, 12)
		r.months = uint16(mask)
	case "BYHOUR":
		r.hours, err = set(value, 0, 23)
	case "BYMINUTE":
		r.minutes, err = set(value, 0, 59)
	case "BYSECOND":
		r.seconds, err = set(value, 0, 59)
	case "BYMONTHDAY":
		r.monthDays, err = signed(value, 31)
	case "BYYEARDAY":
		r.yearDays, err = signed(value, 366)
	case "BYWEEKNO":
		r.weeks, err = signed(value, 53)
	case "BYSETPOS":
		r.positions, err = signed(value, 366)
	case "BYDAY":
		r.days, err = parseDays(value)
	default:
		return errors.New("is no part of a recurrence rule that this version knows")
	}
	return err
}

// check refuses what RFC 5545 does, and what Rule says that it refuses beyond.
func (r *Rule) check() error {
	nth := slices.ContainsFunc(r.days, func(d nthDay) bool { return d.n != 0 })
	switch {
	case r.freq < 0:
		return errors.New("FREQ: is missing")
	case r.count > 0 && !r.until.IsZero():
		return errors.New("COUNT: can't be there together with UNTIL")
	case nth && r.freq < monthly:
		return errors.New("BYDAY: a number before a day is for MONTHLY and YEARLY only")
	case nth && len(r.weeks) > 0:
		return errors.New("BYDAY: a number before a day can't be there together with BYWEEKNO")
	case len(r.monthDays) > 0 && r.freq == weekly:
		return errors.New("BYMONTHDAY: can't be there with WEEKLY")
	case len(r.yearDays) > 0 && r.freq >= daily && r.freq <= monthly:
		return errors.New("BYYEARDAY: can't be there with DAILY, WEEKLY or MONTHLY")
	case len(r.weeks) > 0 && r.freq != yearly:
		return errors.New("BYWEEKNO: is for YEARLY only")
	case len(r.weeks) > 0 && len(r.days) == 0:
		return errors.New("BYWEEKNO: say with BYDAY which days of the week")
	case len(r.positions) > 0 && r.freq < daily:
		return errors.New("BYSETPOS: can't be there with HOURLY or MINUTELY")
	case bits.OnesCount64(r.seconds) > 1:
		return errors.New("BYSECOND: more than one is more than one occurrence in a minute")
	}
	return nil
}

// fill takes from the first time what the rule leaves open.
func (r *Rule) fill() {
	open := len(r.days) == 0 && len(r.monthDays) == 0 && len(r.yearDays) == 0 && len(r.weeks) == 0
	switch {
	case r.freq == yearly && open:
		if r.months == 0 {
			r.months = 1 << r.start.Month()
		}
		r.monthDays = []int{r.start.Day()}
	case r.freq == monthly && open:
		r.monthDays = []int{r.start.Day()}
	case r.freq == weekly && open:
		r.days = []nthDay{{day: r.start.Weekday()}}
	}
	if r.freq >= daily && r.hours == 0 {
		r.hours = 1 << r.start.Hour()
	}
	if r.freq >= hourly && r.minutes == 0 {
		r.minutes = 1 << r.start.Minute()
	}
	if r.seconds == 0 {
		r.seconds = 1 << r.start.Second()
	}
}

// fillClock lists the times of a day, where all days have the same.
func (r *Rule) fillClock() {
	if r.freq < daily {
		return
	}
	for hour := range 24 {
		for minute := range 60 {
			if r.hours>>hour&1 == 1 && r.minutes>>minute&1 == 1 {
				r.clock = append(r.clock, hour*3600+minute*60+bits.TrailingZeros64(r.seconds))
			}
		}
	}
}

// end turns COUNT into an UNTIL, so that no later question depends on how long ago the rule began, and finds out whether anything
// comes at all.
func (r *Rule) end() error {
	last, ok := r.After(r.start.Add(-time.Second))
	if !ok {
		return errors.New("no time fits it")
	}
	for range r.count - 1 {
		next, ok := r.After(last)
		if !ok {
			break
		}
		last = next
	}
	if r.count > 0 {
		r.until = last
	}
	return nil
}

// parseUntil reads a date, which includes the whole day, or a time, in UTC or local.
func parseUntil(value string, loc *time.Location) (time.Time, error) {
	if t, err := time.Parse("20060102", value); err == nil {
		return t.Add(Reach - time.Second), nil
	}
	if t, err := time.Parse("20060102T150405Z", value); err == nil {
		return Wall(t, loc), nil
	}
	t, err := time.Parse("20060102T150405", value)
	if err != nil {
		return t, fmt.Errorf("%.40q: want a date or time such as 20261231 or 20261231T235959Z", value)
	}
	return t, nil
}

func parseDays(value string) ([]nthDay, error) {
	var days []nthDay
	for text := range strings.SplitSeq(value, ",") {
		name := text[max(0, len(text)-2):]
		day, ok := weekdays[name]
		if !ok {
			return nil, fmt.Errorf("%.40q: want days such as MO, or 1MO for the first Monday", text)
		}
		n := 0
		if prefix := strings.TrimSuffix(text, name); prefix != "" {
			list, err := signed(prefix, 53)
			if err != nil {
				return nil, err
			}
			n = list[0]
		}
		days = append(days, nthDay{n, day})
	}
	return days, nil
}

func number(value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%.40q: want a number from %d to %d", value, least, most)
	}
	return n, nil
}

// set reads a list of small numbers into the bits of a number.
func set(value string, least, most int) (uint64, error) {
	var mask uint64
	for text := range strings.SplitSeq(value, ",") {
		n, err := number(text, least, most)
		if err != nil {
			return 0, err
		}
		mask |= 1 << n
	}
	return mask, nil
}

// signed reads a list of numbers that count from the end if they are negative.
func signed(value string, most int) ([]int, error) {
	var list []int
	for text := range strings.SplitSeq(value, ",") {
		n, err := number(text, -most, most)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%.40q: want a number from 1 to %d, or from -%d to -1 to count from the end", text, most, most)
		}
		list = append(list, n)
	}
	return list, nil
}
