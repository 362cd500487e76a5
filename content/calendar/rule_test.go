package calendar_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vitrine/content/calendar"
)

func wall(s string) time.Time {
	t, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		panic(err)
	}
	return t
}

// occurrences walks a rule forwards.
func occurrences(r *calendar.Rule, start time.Time, most int) []time.Time {
	var list []time.Time
	at := start.Add(-time.Second)
	for len(list) < most {
		next, ok := r.After(at)
		if !ok {
			break
		}
		list = append(list, next)
		at = next
	}
	return list
}

// The examples of RFC 5545, section 3.8.5.3, where they say more than one of dateutil does.
func TestRuleExamples(t *testing.T) {
	for _, test := range []struct{ rule, start, want string }{
		{"FREQ=DAILY;COUNT=3", "1997-09-02T09:00:00", "1997-09-02T09 1997-09-03T09 1997-09-04T09"},
		{"FREQ=DAILY;UNTIL=19970904T070000Z", "1997-09-02T09:00:00", "1997-09-02T09 1997-09-03T09 1997-09-04T09"}, // in Amsterdam
		{"FREQ=DAILY;UNTIL=19970904T065959Z", "1997-09-02T09:00:00", "1997-09-02T09 1997-09-03T09"},
		{"FREQ=DAILY;UNTIL=19970903", "1997-09-02T09:00:00", "1997-09-02T09 1997-09-03T09"},
		{"FREQ=MONTHLY;COUNT=3;BYDAY=1FR", "1997-09-05T09:00:00", "1997-09-05T09 1997-10-03T09 1997-11-07T09"},
		{"FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=3", "1997-05-12T09:00:00", "1997-05-12T09 1998-05-11T09 1999-05-17T09"},
		{"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=3", "1997-09-02T09:00:00", "1998-02-13T09 1998-03-13T09 1998-11-13T09"},
		{"FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=3", "1996-11-05T09:00:00", "1996-11-05T09 2000-11-07T09 2004-11-02T09"},
		{"FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09-04T09:00:00", "1997-09-04T09 1997-10-07T09 1997-11-06T09"},
		{"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=3", "1997-09-29T09:00:00", "1997-09-29T09 1997-10-30T09 1997-11-27T09"},
		{"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08-05T09:00:00", "1997-08-05T09 1997-08-10T09 1997-08-19T09 1997-08-24T09"},
		{"FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08-05T09:00:00", "1997-08-05T09 1997-08-17T09 1997-08-19T09 1997-08-31T09"},
		{"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO;COUNT=2", "2016-02-29T09:00:00", "2016-02-29T09 2044-02-29T09"},
		{"freq=monthly;bymonthday=31;count=3", "2026-01-31T09:00:00", "2026-01-31T09 2026-03-31T09 2026-05-31T09"},
	} {
		amsterdam, err := time.LoadLocation("Europe/Amsterdam")
		if err != nil {
			t.Fatal(err)
		}
		rule, err := calendar.ParseRule(test.rule, wall(test.start), amsterdam)
		if err != nil {
			t.Errorf("%s: %v", test.rule, err)
			continue
		}
		var got []string
		for _, o := range occurrences(rule, wall(test.start), 10) {
			got = append(got, o.Format("2006-01-02T15"))
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", test.rule, text, test.want)
		}
	}
}

func TestBadRules(t *testing.T) {
	for rule, want := range map[string]string{
		"":                                        "want NAME=VALUE",
		"DAILY":                                   "want NAME=VALUE",
		"INTERVAL=2":                              "FREQ: is missing",
		"FREQ=SECONDLY":                           `FREQ: "SECONDLY": want YEARLY`,
		"FREQ=DAILY;FREQ=DAILY":                   "FREQ: is there twice",
		"FREQ=DAILY;INTERVAL=0":                   `INTERVAL: "0": want a number from 1`,
		"FREQ=DAILY;COUNT=2;UNTIL=2027":           "UNTIL",
		"FREQ=DAILY;COUNT=2;UNTIL=20270101":       "together with UNTIL",
		"FREQ=DAILY;BYMONTH=13":                   `BYMONTH: "13"`,
		"FREQ=MONTHLY;BYMONTHDAY=0":               `BYMONTHDAY: "0"`,
		"FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2":    "no time fits it",
		"FREQ=DAILY;UNTIL=20200101":               "no time fits it",
		"FREQ=WEEKLY;BYDAY=1MO":                   "BYDAY: a number before a day",
		"FREQ=WEEKLY;BYDAY=MON":                   `BYDAY: "MON": want days`,
		"FREQ=YEARLY;BYDAY=0MO":                   "BYDAY: \"0\"",
		"FREQ=YEARLY;BYWEEKNO=3":                  "BYWEEKNO: say with BYDAY",
		"FREQ=MONTHLY;BYWEEKNO=3;BYDAY=MO":        "BYWEEKNO: is for YEARLY",
		"FREQ=DAILY;BYYEARDAY=3":                  "BYYEARDAY: can't",
		"FREQ=WEEKLY;BYMONTHDAY=3":                "BYMONTHDAY: can't",
		"FREQ=HOURLY;BYSETPOS=1":                  "BYSETPOS: can't",
		"FREQ=DAILY;BYSECOND=0,30":                "BYSECOND: more than one",
		"FREQ=DAILY;BYEASTER=1":                   "BYEASTER: is no part",
		"FREQ=DAILY;" + strings.Repeat("X", 1000): "bytes are more than",
	} {
		r, err := calendar.ParseRule(rule, wall("2026-11-23T11:30:00"), time.UTC)
		if err == nil || r != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", rule, err, want)
		}
	}
}

// randomRule makes a rule that both this package and dateutil read in the same way.
func randomRule(random *rand.Rand) (string, time.Time) {
	start := time.Date(1990+random.IntN(50), time.Month(1+random.IntN(12)), 1+random.IntN(31), random.IntN(24), random.IntN(60), random.IntN(60), 0, time.UTC)
	names := []string{"YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"}
	freq := names[random.IntN(len(names))]
	parts := []string{"FREQ=" + freq}
	maybe := func(share float64, name string, values func() string) {
		if random.Float64() >= share {
			return
		}
		var list []string
		for range 1 + random.IntN(3) {
			list = append(list, values())
		}
		parts = append(parts, name+"="+strings.Join(list, ","))
	}
	from := func(least, most int) func() string {
		return func() string { return fmt.Sprint(least + random.IntN(most-least+1)) }
	}
	either := func(most int) func() string {
		return func() string { return fmt.Sprint((1 + random.IntN(most)) * (1 - 2*random.IntN(2))) }
	}
	plain := []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}
	day := func() string { return plain[random.IntN(7)] }
	if random.IntN(2) == 0 {
		most := map[string]int{"YEARLY": 4, "MONTHLY": 7, "WEEKLY": 9, "DAILY": 40, "HOURLY": 50, "MINUTELY": 3000}[freq]
		parts = append(parts, fmt.Sprintf("INTERVAL=%d", 1+random.IntN(most)))
	}
	maybe(0.3, "BYMONTH", from(1, 12))
	maybe(0.3, "BYHOUR", from(0, 23))
	maybe(0.3, "BYMINUTE", from(0, 59))
	weeks := false
	switch freq {
	case "YEARLY":
		if random.IntN(4) == 0 {
			weeks = true
			// dateutil 2.9 takes the length of the wrong year for weeks on its edge; TestWeekNumbers has these.
			maybe(1, "BYWEEKNO", func() string { return fmt.Sprint((2 + random.IntN(50)) * (1 - 2*random.IntN(2))) })
			maybe(1, "BYDAY", day)
			break
		}
		maybe(0.2, "BYYEARDAY", either(366))
		maybe(0.3, "BYMONTHDAY", either(31))
		maybe(0.4, "BYDAY", func() string { return either(5)() + day() })
	case "MONTHLY":
		maybe(0.4, "BYMONTHDAY", either(31))
		// Not both in one rule: dateutil 2.9 then wants a day to be both.
		if random.IntN(2) == 0 {
			maybe(0.4, "BYDAY", day)
		} else {
			maybe(0.4, "BYDAY", func() string { return either(5)() + day() })
		}
	case "WEEKLY":
		maybe(0.6, "BYDAY", day)
	default:
		maybe(0.3, "BYDAY", day)
		maybe(0.2, "BYMONTHDAY", either(31))
	}
	if !weeks && random.IntN(3) == 0 && (freq == "YEARLY" || freq == "MONTHLY") {
		maybe(1, "BYSETPOS", either(4))
	}
	if freq == "WEEKLY" || weeks {
		if random.IntN(2) == 0 {
			parts = append(parts, "WKST="+day())
		}
	}
	switch random.IntN(3) {
	case 0:
		parts = append(parts, fmt.Sprintf("COUNT=%d", 1+random.IntN(30)))
	case 1:
		parts = append(parts, "UNTIL="+start.AddDate(random.IntN(10), 0, random.IntN(400)).Format("20060102T150405"))
	}
	return strings.Join(parts, ";"), start
}

// oracle expands rules with dateutil, which has nothing in common with this package.
const oracle = `
import json, sys, itertools, datetime
from dateutil.rrule import rrulestr
for line in sys.stdin:
    q = json.loads(line)
    start = datetime.datetime.fromisoformat(q["start"])
    end = start + datetime.timedelta(days=40*365)
    rule = rrulestr(q["rule"], dtstart=start)
    print(json.dumps([t.isoformat() for t in itertools.takewhile(lambda t: t < end, itertools.islice(rule, 60))]))
`

func TestRulesAgreeWithDateutil(t *testing.T) {
	if err := exec.Command("python3", "-c", "import dateutil").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("python3-dateutil: %v", err)
		}
		t.Skip("python3-dateutil isn't installed")
	}
	const rules = 1500
	random := rand.New(rand.NewPCG(5545, 7))
	type question struct {
		Rule  string `json:"rule"`
		Start string `json:"start"`
	}
	var questions []question
	var compiled []*calendar.Rule
	var in bytes.Buffer
	for len(questions) < rules {
		text, start := randomRule(random)
		r, err := calendar.ParseRule(text, start, time.UTC)
		if err != nil {
			if !strings.Contains(err.Error(), "no time fits it") {
				t.Fatalf("%s: %v", text, err)
			}
			continue // dateutil would look for it until the year 9999
		}
		q := question{text, start.Format("2006-01-02T15:04:05")}
		line, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
		questions, compiled = append(questions, q), append(compiled, r)
	}
	python := exec.Command("python3", "-c", oracle)
	python.Stdin, python.Stderr = &in, os.Stderr
	out, err := python.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(bytes.NewReader(out))
	for i, q := range questions {
		var want []string
		if err := answers.Decode(&want); err != nil {
			t.Fatal(err)
		}
		start := wall(q.Start)
		var got []string
		all := occurrences(compiled[i], start, 60)
		for _, o := range all {
			if o.Before(start.AddDate(0, 0, 40*365)) {
				got = append(got, o.Format("2006-01-02T15:04:05"))
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("%s from %s:\n got %.300v\nwant %.300v", q.Rule, q.Start, got, want)
		}
		checkBefore(t, q.Rule, compiled[i], all)
	}
}

// checkBefore checks that a rule walked backwards gives what it gave forwards.
func checkBefore(t *testing.T, text string, r *calendar.Rule, all []time.Time) {
	t.Helper()
	for i, o := range all {
		if at, ok := r.Before(o); !ok || !at.Equal(o) {
			t.Fatalf("%s: at %v the last is %v, %t", text, o, at, ok)
		}
		at, ok := r.Before(o.Add(-time.Nanosecond))
		if ok != (i > 0) || ok && !at.Equal(all[i-1]) {
			t.Fatalf("%s: before %v the last is %v, %t", text, o, at, ok)
		}
	}
}

// Go counts ISO weeks too, by other means.
func TestWeekNumbers(t *testing.T) {
	for _, week := range []int{1, 2, 51, 52, 53} {
		start := wall("1999-12-01T08:00:00")
		text := fmt.Sprintf("FREQ=YEARLY;BYWEEKNO=%d;BYDAY=MO,TU,WE,TH,FR,SA,SU", week)
		r, err := calendar.ParseRule(text, start, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		next, _ := r.After(start.Add(-time.Second))
		for day := start; day.Year() < 2100; day = day.AddDate(0, 0, 1) {
			_, number := day.ISOWeek()
			if number == week != next.Equal(day) {
				t.Fatalf("%s: %v is in week %d, and the next is %v", text, day, number, next)
			}
			if number == week {
				next, _ = r.After(day)
			}
		}
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add("FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20270101", int64(1764000000))
	f.Add("FREQ=YEARLY;BYWEEKNO=1,-1;BYDAY=MO;WKST=SU;COUNT=9", int64(0))
	f.Add("FREQ=MINUTELY;INTERVAL=7;BYHOUR=9", int64(1e9))
	f.Add("FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=-1", int64(-1e9))
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		start := time.Unix(seconds%(1<<33), 0).UTC()
		r, err := calendar.ParseRule(text, start, time.UTC)
		if err != nil {
			return
		}
		checkBefore(t, text, r, occurrences(r, start, 5))
	})
}

func BenchmarkRule(b *testing.B) {
	for _, text := range []string{"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,FR", "FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "FREQ=MINUTELY;INTERVAL=7"} {
		r, err := calendar.ParseRule(text, wall("1996-02-29T09:00:00"), time.UTC)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			now := wall("2026-11-23T11:05:00")
			for b.Loop() {
				r.Before(now)
				r.After(now)
			}
		})
	}
}
