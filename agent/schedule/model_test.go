package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/agent/schedule"
	"vitrine/content/calendar"
	"vitrine/content/manifest"
)

// The model fills in a year minute by minute: what each event by itself does, then who wins. It walks all occurrences from the first on,
// and asks the wall clock of every minute for the dayparts; At does neither.
type model struct {
	zone   *time.Location
	from   time.Time
	events []manifest.Event
	on     [][]bool // by event and minute
	open   []bool
	turns  float64
}

func newModel(t *testing.T, m *manifest.Manifest, from time.Time, minutes int) *model {
	t.Helper()
	zone, err := m.Location()
	if err != nil {
		t.Fatal(err)
	}
	model := &model{zone: zone, from: from, events: m.Schedule.Events, turns: m.Schedule.Rotation, open: make([]bool, minutes)}
	for _, e := range model.events {
		on := make([]bool, minutes)
		model.fillTimes(t, on, e)
		if len(e.Dayparts) > 0 {
			part := make([]bool, minutes)
			model.hours(part, e.Dayparts[0], e.ExDates)
			for i := range on {
				on[i] = on[i] && part[i]
			}
		}
		if e.Interrupt != nil {
			for i := range on {
				on[i] = on[i] && (from.Unix()+int64(i)*60)%int64(e.Interrupt.Every) < int64(e.Interrupt.Seconds)
			}
		}
		model.on = append(model.on, on)
	}
	for i := range model.open {
		model.open[i] = len(m.Schedule.Operating) == 0
	}
	for _, h := range m.Schedule.Operating {
		model.hours(model.open, h, m.Schedule.Closed)
	}
	for i := range model.open {
		day := from.Add(time.Duration(i) * time.Minute).In(zone)
		model.open[i] = model.open[i] && (len(m.Schedule.Closed) == 0 || !slices.Contains(m.Schedule.Closed, day.Format("2006-01-02")))
	}
	return model
}

// fillTimes marks the minutes from start to end, or those of all occurrences.
func (m *model) fillTimes(t *testing.T, on []bool, e manifest.Event) {
	if e.RRule == "" {
		start, end := m.from.Add(-time.Hour), m.from.AddDate(3, 0, 0)
		if e.Start != "" {
			start = m.moment(t, e.Start)
		}
		if e.End != "" {
			end = m.moment(t, e.End)
		}
		m.mark(on, start, end)
		return
	}
	first := wallOf(t, e.Start)
	length := wallOf(t, e.End).Sub(first)
	rule, err := calendar.ParseRule(e.RRule, first, m.zone)
	if err != nil {
		t.Fatal(err)
	}
	var spans [][2]time.Time
	for at, ok := rule.After(first.Add(-time.Second)); ok && at.Before(m.from.AddDate(2, 0, 0)); at, ok = rule.After(at) {
		excluded := false
		for _, day := range e.ExDates {
			excluded = excluded || at.Format("2006-01-02") == day
		}
		if !excluded {
			spans = append(spans, [2]time.Time{calendar.Resolve(at, m.zone), calendar.Resolve(at.Add(length), m.zone)})
		}
	}
	// One ends when the next begins. Where clocks change, they may begin in another order than on the wall.
	slices.SortStableFunc(spans, func(a, b [2]time.Time) int { return a[0].Compare(b[0]) })
	for i, span := range spans {
		end := span[1]
		if i+1 < len(spans) && spans[i+1][0].After(span[0]) && spans[i+1][0].Before(end) {
			end = spans[i+1][0]
		}
		m.mark(on, span[0], end)
	}
}

// hours marks the minutes that are in the hours, but for parts that begin on a day that is left out.
func (m *model) hours(on []bool, h calendar.Hours, except []string) {
	var hour, minute int
	fmt.Sscanf(h.From, "%d:%d", &hour, &minute)
	from := time.Duration(hour*60+minute) * time.Minute
	fmt.Sscanf(h.To, "%d:%d", &hour, &minute)
	to := time.Duration(hour*60+minute) * time.Minute
	if to <= from {
		to += 24 * time.Hour
	}
	names := map[string]string{"": "SuMoTuWeThFrSa", "MO-FR": "MoTuWeThFr", "SA,SU": "SaSu", "FR-MO": "FrSaSuMo", "WE": "We"}[h.Days]
	for d := -2; d < len(on)/(24*60)+2; d++ {
		day := m.from.AddDate(0, 0, d)
		if strings.Contains(names, day.Weekday().String()[:2]) && !slices.Contains(except, day.Format("2006-01-02")) {
			m.mark(on, calendar.Resolve(day.Add(from), m.zone), calendar.Resolve(day.Add(to), m.zone))
		}
	}
}

func (m *model) mark(on []bool, start, end time.Time) {
	first, last := int(start.Sub(m.from)/time.Minute), int(end.Sub(m.from)/time.Minute)
	for i := max(0, first); i < min(last, len(on)); i++ {
		on[i] = true
	}
}

func (m *model) moment(t *testing.T, s string) time.Time {
	t.Helper()
	read, err := calendar.ParseTime(s, m.zone)
	if err != nil {
		t.Fatal(err)
	}
	return read.Moment
}

func wallOf(t *testing.T, s string) time.Time {
	t.Helper()
	read, err := calendar.ParseTime(s, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return read.Wall
}

const onStandby = -2

// at is the event that is on in a minute, or onStandby.
func (m *model) at(minute int) int {
	if !m.open[minute] {
		return onStandby
	}
	on := schedule.NoEvent
	for i, e := range m.events {
		if m.on[i][minute] && (on == schedule.NoEvent || e.Priority >= m.events[on].Priority) {
			on = i
		}
	}
	if on == schedule.NoEvent || m.events[on].Share == 0 {
		return on
	}
	var sharing []int
	total := 0
	for i, e := range m.events {
		if m.on[i][minute] && e.Share > 0 && e.Priority == m.events[on].Priority {
			sharing = append(sharing, i)
			total += e.Share
		}
	}
	second := m.from.Add(time.Duration(minute)*time.Minute).Unix() % int64(m.turns)
	for _, i := range sharing {
		second -= int64(m.turns) * int64(m.events[i].Share) / int64(total)
		if second < 0 {
			return i
		}
	}
	return sharing[len(sharing)-1]
}

// randomEvent makes an event with times on the full minute.
func randomEvent(random *rand.Rand, year int) manifest.Event {
	start := time.Date(year-random.IntN(20), time.Month(1+random.IntN(12)), 1+random.IntN(28), random.IntN(24), 15*random.IntN(4), 0, 0, time.UTC)
	form := "2006-01-02T15:04:05"
	e := manifest.Event{Presentation: "lunch", Priority: random.IntN(4)}
	hours := func() []calendar.Hours {
		days := []string{"", "MO-FR", "SA,SU", "FR-MO", "WE"}[random.IntN(5)]
		if random.IntN(4) == 0 {
			return []calendar.Hours{{Days: days, From: "00:00", To: "24:00"}}
		}
		return []calendar.Hours{{Days: days, From: fmt.Sprintf("%02d:%02d", random.IntN(24), 15*random.IntN(4)), To: fmt.Sprintf("%02d:%02d", random.IntN(24), 15*random.IntN(4))}}
	}
	switch random.IntN(4) {
	case 0:
		e.Start = start.AddDate(year-start.Year(), 0, 0).Format(form)
		e.End = start.AddDate(year-start.Year(), random.IntN(4), 1).Format(form)
	case 1:
		e.Dayparts = hours()
		if random.IntN(2) == 0 {
			e.Start = start.AddDate(year-start.Year(), 0, 0).Format(form)
		}
	default:
		e.Start = start.Format(form)
		e.End = start.Add(time.Duration(1+random.IntN(3*24*4)) * 15 * time.Minute).Format(form)
		e.RRule = []string{
			"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SU,TU", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=DAILY;INTERVAL=3;BYHOUR=2;BYMINUTE=0,30", "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU",
			"FREQ=WEEKLY;INTERVAL=2", "FREQ=HOURLY;INTERVAL=5", "FREQ=MINUTELY;INTERVAL=45;BYHOUR=1,2,3", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
		}[random.IntN(9)]
		if random.IntN(3) == 0 {
			e.Dayparts = hours()
		}
	}
	if e.RRule != "" || len(e.Dayparts) > 0 {
		for range random.IntN(3) {
			e.ExDates = append(e.ExDates, time.Date(year, time.Month(1+random.IntN(12)), 1+random.IntN(28), 0, 0, 0, 0, time.UTC).Format("2006-01-02"))
		}
	}
	switch random.IntN(6) {
	case 0:
		e.Interrupt = &manifest.Interrupt{Every: 900, Seconds: 180}
	case 1, 2:
		e.Share = 1 + random.IntN(4)
	}
	return e
}

// Every minute of a year, in zones whose clocks change in odd ways, is as the model has it; and whatever At says of how long it has been so
// and will be holds for all minutes between.
func TestAtAgreesWithTheModel(t *testing.T) {
	zones := []string{"Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns", "Asia/Kathmandu", "Antarctica/Troll", "Pacific/Apia"}
	rounds := 16
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		random := rand.New(rand.NewPCG(7, uint64(round)))
		zone := zones[round%len(zones)]
		year := 2008 + random.IntN(25)
		if zone == "Pacific/Apia" {
			year = 2011 // the year in which it had no 30 December
		}
		m := programme(zone)
		m.Schedule.Rotation = 1200
		for range 2 + random.IntN(6) {
			m.Schedule.Events = append(m.Schedule.Events, randomEvent(random, year))
		}
		if random.IntN(2) == 0 {
			m.Schedule.Operating = []calendar.Hours{{Days: "MO-FR", From: "07:00", To: "22:30"}, {Days: "SA,SU", From: "22:00", To: "02:30"}}
			if random.IntN(3) == 0 {
				m.Schedule.Operating = []calendar.Hours{{Days: "MO-FR", From: "00:00", To: "24:00"}}
			}
			m.Schedule.Closed = []string{fmt.Sprintf("%d-12-25", year), fmt.Sprintf("%d-12-26", year)}
		}
		t.Run(fmt.Sprint(round, " ", zone, " ", year), func(t *testing.T) {
			t.Parallel()
			compare(t, m, year)
		})
	}
}

func compare(t *testing.T, m *manifest.Manifest, year int) {
	s := lookup(t, m)
	from := time.Date(year-1, 12, 30, 0, 0, 0, 0, time.UTC)
	const minutes = 370 * 24 * 60
	model := newModel(t, m, from, minutes)
	minute := 0
	for minute < minutes {
		now := from.Add(time.Duration(minute) * time.Minute)
		got := s.At(now, true)
		if got.Since.After(now) || !got.Until.IsZero() && !got.Until.After(now) {
			t.Fatalf("at %v: %+v", now, got)
		}
		event := got.Event
		if got.Standby {
			event = onStandby
		}
		first := max(0, int((got.Since.Sub(from)+time.Minute-1)/time.Minute))
		last := minutes - 1
		if !got.Until.IsZero() {
			last = min(last, int((got.Until.Sub(from)-1)/time.Minute))
		}
		for i := first; i <= last; i++ {
			if want := model.at(i); event != want {
				at := from.Add(time.Duration(i) * time.Minute)
				t.Fatalf("at %v (%v): event %d, want %d; asked at %v: %+v\noperating %v\nevents %+v", at, at.In(model.zone), event, want, now, got, m.Schedule.Operating, m.Schedule.Events)
			}
		}
		minute = last + 1
	}
}
