package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/schedule"
	"vitrine/content/calendar"
	"vitrine/content/manifest"
)

var epoch = time.Unix(0, 0).UTC()

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func programme(zone string, events ...manifest.Event) *manifest.Manifest {
	return &manifest.Manifest{
		Version:       1,
		Timezone:      zone,
		Presentations: map[string]manifest.Presentation{"welcome": {}, "lunch": {}, "alarm": {}},
		Schedule:      manifest.Schedule{Default: "welcome", Events: events},
	}
}

func lookup(t *testing.T, m *manifest.Manifest) *schedule.Schedule {
	t.Helper()
	s, err := schedule.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAt(t *testing.T) {
	lunch := manifest.Event{Presentation: "lunch", Start: "2026-11-23T11:30:00", End: "2026-11-23T13:30:00", Priority: 10}
	alarm := manifest.Event{Presentation: "alarm", Start: "2026-11-23T11:00:00Z", End: "2026-11-23T11:10:00Z", Priority: 20}
	again := manifest.Event{Presentation: "welcome", Start: "2026-11-23T13:00:00", End: "2026-11-23T14:00:00", Priority: 10}
	s := lookup(t, programme("Europe/Amsterdam", lunch, alarm, again))

	start := at("2026-11-23T10:30:00Z")
	for _, c := range []struct {
		name, at string
		want     schedule.State
	}{
		{"before everything", "2026-11-23T10:29:59Z",
			schedule.State{Presentation: "welcome", Event: -1, Until: start, Anchor: epoch}},
		{"at the very start", "2026-11-23T10:30:00Z",
			schedule.State{Presentation: "lunch", Event: 0, Since: start, Until: at("2026-11-23T11:00:00Z"), Anchor: start}},
		{"a higher priority interrupts", "2026-11-23T11:05:00Z",
			schedule.State{Presentation: "alarm", Event: 1, Since: at("2026-11-23T11:00:00Z"), Until: at("2026-11-23T11:10:00Z"), Anchor: at("2026-11-23T11:00:00Z")}},
		{"back after the interruption, with the old anchor", "2026-11-23T11:10:00Z",
			schedule.State{Presentation: "lunch", Event: 0, Since: at("2026-11-23T11:10:00Z"), Until: at("2026-11-23T12:00:00Z"), Anchor: start}},
		{"later in the list wins at equal priority", "2026-11-23T12:15:00Z",
			schedule.State{Presentation: "welcome", Event: 2, Since: at("2026-11-23T12:00:00Z"), Until: at("2026-11-23T13:00:00Z"), Anchor: at("2026-11-23T12:00:00Z")}},
		{"the end is not part of it", "2026-11-23T13:00:00Z",
			schedule.State{Presentation: "welcome", Event: -1, Since: at("2026-11-23T13:00:00Z"), Anchor: epoch}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, s.At(at(c.at), true)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	t.Run("without a trusted clock", func(t *testing.T) {
		want := schedule.State{Presentation: "welcome", Event: -1, Anchor: epoch}
		if diff := cmp.Diff(want, s.At(at("2026-11-23T11:05:00Z"), false)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// Events without a zone are in the manifest's, on either side of the change to summer time on 29 March 2026.
func TestEventsAreInTheManifestsZone(t *testing.T) {
	s := lookup(t, programme("Europe/Amsterdam",
		manifest.Event{Presentation: "lunch", Start: "2026-03-28T12:00:00", End: "2026-03-29T12:00:00"}))
	for moment, want := range map[string]string{
		"2026-03-28T10:59:59Z": "welcome", "2026-03-28T11:00:00Z": "lunch",
		"2026-03-29T09:59:59Z": "lunch", "2026-03-29T10:00:00Z": "welcome",
	} {
		if got := s.At(at(moment), true).Presentation; got != want {
			t.Errorf("at %s %q is on, want %q", moment, got, want)
		}
	}
}

func TestNewNamesTheBadField(t *testing.T) {
	good := manifest.Event{Presentation: "lunch", Start: "2026-11-23T11:30:00", End: "2026-11-23T13:30:00"}
	for _, c := range []struct {
		name string
		m    func() *manifest.Manifest
		want string
	}{
		{"default", func() *manifest.Manifest { m := programme(""); m.Schedule.Default = "x"; return m }, `schedule.default: there is no presentation "x"`},
		{"zone", func() *manifest.Manifest { return programme("Mars/Base") }, "timezone: "},
		{"start", func() *manifest.Manifest { e := good; e.Start = "noon"; return programme("", good, e) }, `schedule.events[1].start: "noon": want a time`},
		{"end", func() *manifest.Manifest { e := good; e.End = "soon"; return programme("", e) }, `schedule.events[0].end: "soon": want a time`},
		{"order", func() *manifest.Manifest { e := good; e.End = e.Start; return programme("", e) }, "schedule.events[0].end: must be after the start"},
		{"presentation", func() *manifest.Manifest { e := good; e.Presentation = "x"; return programme("", e) }, `schedule.events[0].presentation: there is no presentation "x"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := schedule.New(c.m())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// The model asks every event about every moment, which is the rule as it is written down. At must agree with it at each
// edge, beside it and between, and Since and Until must be the nearest moments at which the model's answer changes.
func TestAtAgreesWithBruteForce(t *testing.T) {
	const hours = 48
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 100 {
		base := at("2026-11-23T00:00:00Z")
		var events []manifest.Event
		for range random.IntN(12) {
			start := base.Add(time.Duration(random.IntN(hours)) * time.Hour)
			end := start.Add(time.Duration(1+random.IntN(8)) * time.Hour)
			events = append(events, manifest.Event{Presentation: "lunch", Start: start.Format(time.RFC3339), End: end.Format(time.RFC3339), Priority: random.IntN(3)})
		}
		s := lookup(t, programme("", events...))
		for step := range (hours + 10) * 2 {
			now := base.Add(time.Duration(step) * 30 * time.Minute)
			got := s.At(now, true)
			if want := bruteForce(events, now); got.Event != want {
				t.Fatalf("round %d at %v: event %d, want %d of %v", round, now, got.Event, want, events)
			}
			checkEdge(t, events, got, now)
		}
	}
}

func checkEdge(t *testing.T, events []manifest.Event, s schedule.State, now time.Time) {
	t.Helper()
	if s.Since.After(now) || (!s.Until.IsZero() && !s.Until.After(now)) {
		t.Fatalf("at %v: since %v, until %v", now, s.Since, s.Until)
	}
	if !s.Since.IsZero() && (bruteForce(events, s.Since) != s.Event || bruteForce(events, s.Since.Add(-time.Second)) == s.Event) {
		t.Fatalf("at %v: %v isn't when event %d came on, of %v", now, s.Since, s.Event, events)
	}
	if !s.Until.IsZero() && (bruteForce(events, s.Until) == s.Event || bruteForce(events, s.Until.Add(-time.Second)) != s.Event) {
		t.Fatalf("at %v: %v isn't when event %d ends, of %v", now, s.Until, s.Event, events)
	}
}

func bruteForce(events []manifest.Event, t time.Time) int {
	on := schedule.NoEvent
	for i, e := range events {
		if t.Before(at(e.Start)) || !t.Before(at(e.End)) {
			continue
		}
		if on == schedule.NoEvent || e.Priority >= events[on].Priority {
			on = i
		}
	}
	return on
}

func BenchmarkAt(b *testing.B) {
	weekdays := []calendar.Hours{{Days: "MO-FR", From: "07:00", To: "22:00"}}
	recurring := func(n int, start string) []manifest.Event {
		var events []manifest.Event
		for i := range n {
			begin := at(start).Add(time.Duration(i) * 7 * time.Minute)
			events = append(events, manifest.Event{
				Presentation: "lunch", Start: begin.Format("2006-01-02T15:04:05"), End: begin.Add(5 * time.Minute).Format("2006-01-02T15:04:05"),
				RRule: []string{"FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY"}[i%4], Priority: i % 7, Dayparts: weekdays[:i%2],
			})
		}
		return events
	}
	var once []manifest.Event
	for i := range 10_000 {
		start := at("2026-01-01T00:00:00Z").Add(time.Duration(i) * time.Hour)
		once = append(once, manifest.Event{Presentation: "lunch", Start: start.Format(time.RFC3339), End: start.Add(90 * time.Minute).Format(time.RFC3339), Priority: i % 7})
	}
	for _, c := range []struct {
		name   string
		events []manifest.Event
	}{
		{"12 recurring events of this year", recurring(12, "2026-01-01T07:00:00Z")},
		{"12 recurring events of 1971", recurring(12, "1971-01-01T07:00:00Z")},
		{"10000 single events", once},
	} {
		m := programme("Europe/Amsterdam", c.events...)
		m.Schedule.Operating = weekdays
		s, err := schedule.New(m)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			now := at("2026-11-23T11:05:00Z")
			for b.Loop() {
				s.At(now, true)
			}
		})
	}
}

func ExampleSchedule_At() {
	s, err := schedule.New(programme("Europe/Amsterdam",
		manifest.Event{Presentation: "lunch", Start: "2026-11-23T11:30:00", End: "2026-11-23T13:30:00"}))
	if err != nil {
		panic(err)
	}
	state := s.At(at("2026-11-23T12:00:00+01:00"), true)
	fmt.Println(state.Presentation, "until", state.Until.Format(time.RFC3339))
	// Output: lunch until 2026-11-23T12:30:00Z
}
