package calendar

import (
	"math/bits"
	"slices"
	"time"
)

// horizon is how far ahead a rule is looked at. A 29 February that must be a Monday comes every 28 years, and every 40 around 2100.
const horizon = 50 * 366 // days

// Before is the last occurrence at or before a wall time; false if there is none.
func (r *Rule) Before(wall time.Time) (time.Time, bool) {
	if !r.until.IsZero() && wall.After(r.until) {
		wall = r.until
	}
	s := search{rule: r}
	for day := DayOf(wall); day >= r.startDay; {
		fits, next := r.look(day, -1)
		if fits {
			for _, second := range slices.Backward(s.times(day)) {
				t := day.at(second)
				if t.Before(r.start) {
					return time.Time{}, false
				}
				if !t.After(wall) {
					return t, true
				}
			}
		}
		day = next
	}
	return time.Time{}, false
}

// After is the first occurrence after a wall time; false if there is none, or none within 50 years.
func (r *Rule) After(wall time.Time) (time.Time, bool) {
	if wall.Before(r.start) {
		wall = r.start.Add(-time.Nanosecond)
	}
	s := search{rule: r}
	first := DayOf(wall)
	for day := first; day <= first+horizon; {
		if !r.until.IsZero() && day.Start().After(r.until) {
			break
		}
		fits, next := r.look(day, 1)
		if fits {
			for _, second := range s.times(day) {
				if t := day.at(second); t.After(wall) {
					return t, r.until.IsZero() || !t.After(r.until)
				}
			}
		}
		day = next
	}
	return time.Time{}, false
}

func (d Day) at(second int) time.Time { return time.Unix(int64(d)*secondsOfDay+int64(second), 0).UTC() }

// look tells whether the rule has occurrences on a day, but for BYSETPOS, and which day to look at next in a direction: those between
// don't fit, for the rule has nothing in their month or year.
func (r *Rule) look(day Day, direction int) (fits bool, next Day) {
	date := day.Start()
	year, month, monthDay := date.Date()
	next = day + Day(direction)
	nextMonth := func() Day {
		if direction < 0 {
			return day - Day(monthDay)
		}
		return dayOf(year, month+1, 1)
	}
	switch r.freq {
	case yearly:
		if (year-r.start.Year())%r.interval != 0 {
			if direction < 0 {
				return false, dayOf(year, 1, 0)
			}
			return false, dayOf(year+1, 1, 1)
		}
	case monthly:
		if ((year-r.start.Year())*12+int(month-r.start.Month()))%r.interval != 0 {
			return false, nextMonth()
		}
	case weekly:
		if off := modulo(int(r.week(day)-r.week(r.startDay))/7, r.interval); off != 0 {
			if direction < 0 {
				return false, r.week(day) - Day(7*(off-1)) - 1
			}
			return false, r.week(day) + Day(7*(r.interval-off))
		}
	case daily:
		if off := modulo(int(day-r.startDay), r.interval); off != 0 {
			if direction < 0 {
				return false, day - Day(off)
			}
			return false, day + Day(r.interval-off)
		}
	}
	if r.months != 0 && r.months>>month&1 == 0 {
		return false, nextMonth()
	}
	return r.fitsDay(date, monthDay), next
}

// fitsDay is BYMONTHDAY, BYYEARDAY, BYWEEKNO and BYDAY.
func (r *Rule) fitsDay(date time.Time, monthDay int) bool {
	if len(r.monthDays) > 0 && !counted(r.monthDays, monthDay, daysOfMonth(date)) {
		return false
	}
	if len(r.yearDays) > 0 && !counted(r.yearDays, date.YearDay(), daysOfYear(date.Year())) {
		return false
	}
	if len(r.weeks) > 0 && !r.fitsWeek(DayOf(date)) {
		return false
	}
	return len(r.days) == 0 || slices.ContainsFunc(r.days, func(d nthDay) bool { return r.isNth(d, date, monthDay) })
}

// isNth tells whether a date is an entry of BYDAY.
func (r *Rule) isNth(d nthDay, date time.Time, monthDay int) bool {
	if date.Weekday() != d.day {
		return false
	}
	at, length := monthDay, daysOfMonth(date)
	if r.freq == yearly && r.months == 0 {
		at, length = date.YearDay(), daysOfYear(date.Year())
	}
	switch {
	case d.n > 0:
		return (at-1)/7+1 == d.n
	case d.n < 0:
		return (length-at)/7+1 == -d.n
	}
	return true
}

// week is the first day of the week that a day is in.
func (r *Rule) week(day Day) Day {
	return day - Day(modulo(int(day.Weekday()-r.weekStarts), 7))
}

// fitsWeek is BYWEEKNO: week 1 is the first with at least four days in the year.
func (r *Rule) fitsWeek(day Day) bool {
	week := r.week(day)
	year := (week + 3).Start().Year()
	first, following := r.week(dayOf(year, 1, 4)), r.week(dayOf(year+1, 1, 4))
	return counted(r.weeks, int(week-first)/7+1, int(following-first)/7)
}

// counted tells whether a list that counts from either end has the nth of so many.
func counted(list []int, n, of int) bool {
	return slices.Contains(list, n) || slices.Contains(list, n-of-1)
}

func daysOfMonth(date time.Time) int {
	return time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func daysOfYear(year int) int {
	return time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
}

func modulo(a, n int) int { return ((a % n) + n) % n }

// A search keeps what BYSETPOS chose of the last period that it came through.
type search struct {
	rule   *Rule
	from   Day
	to     Day
	chosen map[Day][]int
}

// times are the occurrences on a day that fits, in seconds since midnight, sorted.
func (s *search) times(day Day) []int {
	r := s.rule
	switch {
	case r.freq < daily:
		return r.stepped(day)
	case len(r.positions) == 0:
		return r.clock
	}
	if s.chosen == nil || day < s.from || day >= s.to {
		s.from, s.to = r.period(day)
		s.chosen = r.choose(s.from, s.to)
	}
	return s.chosen[day]
}

// period is the year, month, week or day that a day is in.
func (r *Rule) period(day Day) (from, to Day) {
	year, month, _ := day.Start().Date()
	switch r.freq {
	case yearly:
		return dayOf(year, 1, 1), dayOf(year+1, 1, 1)
	case monthly:
		return dayOf(year, month, 1), dayOf(year, month+1, 1)
	case weekly:
		return r.week(day), r.week(day) + 7
	}
	return day, day + 1
}

// choose is BYSETPOS: of all occurrences in a period those at the positions.
func (r *Rule) choose(from, to Day) map[Day][]int {
	var days []Day
	for day := from; day < to; day++ {
		if fits, _ := r.look(day, 1); fits {
			days = append(days, day)
		}
	}
	all := len(days) * len(r.clock)
	chosen := map[Day][]int{}
	for i := range all {
		if counted(r.positions, i+1, all) {
			day := days[i/len(r.clock)]
			chosen[day] = append(chosen[day], r.clock[i%len(r.clock)])
		}
	}
	return chosen
}

// stepped are the times on a day of a rule that is HOURLY or MINUTELY.
func (r *Rule) stepped(day Day) []int {
	second := bits.TrailingZeros64(r.seconds)
	begun := r.start.Hour()
	perDay := 24
	if r.freq == minutely {
		begun, perDay = r.start.Hour()*60+r.start.Minute(), 24*60
	}
	var list []int
	for step := modulo(begun-int(day-r.startDay)*perDay, r.interval); step < perDay; step += r.interval {
		hour := step * 24 / perDay
		if r.hours != 0 && r.hours>>hour&1 == 0 {
			continue
		}
		if r.freq == minutely {
			if r.minutes == 0 || r.minutes>>(step%60)&1 == 1 {
				list = append(list, step*60+second)
			}
			continue
		}
		for minute := range 60 {
			if r.minutes>>minute&1 == 1 {
				list = append(list, hour*3600+minute*60+second)
			}
		}
	}
	return list
}
