package schedule_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/schedule"
	"vitrine/content/calendar"
	"vitrine/content/manifest"
)

// What is on at some moments, in order.
func shows(t *testing.T, s *schedule.Schedule, moments ...string) {
	t.Helper()
	for i := 0; i < len(moments); i += 2 {
		state := s.At(at(moments[i]), true)
		got := state.Presentation
		if state.Standby {
			got = "standby"
		}
		if got != moments[i+1] {
			t.Errorf("at %s %s is on, want %s: %+v", moments[i], got, moments[i+1], state)
		}
	}
}

// A breakfast from Monday to Friday is at half past seven on the wall, before and after clocks change; not on the day that is left out.
func TestRecurrenceAcrossDaylightSaving(t *testing.T) {
	s := lookup(t, programme("Europe/Amsterdam", manifest.Event{
		Presentation: "lunch", Start: "2026-03-02T07:30:00", End: "2026-03-02T09:00:00", RRule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", ExDates: []string{"2026-03-31"},
	}))
	shows(t, s,
		"2026-03-27T06:29:59Z", "welcome", "2026-03-27T06:30:00Z", "lunch", "2026-03-27T07:59:59Z", "lunch", "2026-03-27T08:00:00Z", "welcome",
		"2026-03-29T06:00:00Z", "welcome",
		"2026-03-30T05:29:59Z", "welcome", "2026-03-30T05:30:00Z", "lunch", "2026-03-30T07:00:00Z", "welcome",
		"2026-03-31T06:00:00Z", "welcome", "2026-04-01T06:00:00Z", "lunch")
	state := s.At(at("2026-03-30T10:00:00Z"), true)
	if want := at("2026-04-01T05:30:00Z"); !state.Until.Equal(want) || !state.Since.Equal(at("2026-03-30T07:00:00Z")) {
		t.Errorf("%+v, want it until %v", state, want)
	}
}

// What is on every night from two to three is there once in the night in which that hour comes twice, and for two hours; and not at all in the one
// in which it doesn't come.
func TestTheHourThatIsThereTwiceOrNever(t *testing.T) {
	s := lookup(t, programme("Europe/Amsterdam", manifest.Event{Presentation: "alarm", Start: "2026-01-01T02:00:00", End: "2026-01-01T03:00:00", RRule: "FREQ=DAILY"}))
	shows(t, s,
		"2026-10-24T23:59:59Z", "welcome", "2026-10-25T00:00:00Z", "alarm", "2026-10-25T01:30:00Z", "alarm", "2026-10-25T02:00:00Z", "welcome",
		"2026-03-29T00:59:59Z", "welcome", "2026-03-29T01:00:00Z", "welcome", "2026-03-29T02:00:00Z", "welcome", "2026-03-30T00:30:00Z", "alarm")
}

// Around a change of the clocks, what begins earlier on the wall may begin later.
func TestOrderOnTheWall(t *testing.T) {
	s := lookup(t, programme("Europe/Amsterdam", manifest.Event{
		Presentation: "lunch", Start: "2026-01-01T02:00:00", End: "2026-01-01T02:10:00", RRule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=0,30",
	}))
	for _, test := range []struct{ at, since, until string }{
		// 02:15 for the second time: the last was at 02:30, for the first time.
		{"2026-10-25T01:15:00Z", "2026-10-25T00:40:00Z", "2026-10-26T01:00:00Z"},
		// 03:15: the one of 02:30, which didn't come, is at 03:30.
		{"2026-03-29T01:15:00Z", "2026-03-29T01:10:00Z", "2026-03-29T01:30:00Z"},
		{"2026-03-29T01:35:00Z", "2026-03-29T01:30:00Z", "2026-03-29T01:40:00Z"},
	} {
		state := s.At(at(test.at), true)
		if !state.Since.Equal(at(test.since)) || !state.Until.Equal(at(test.until)) {
			t.Errorf("at %s since %v until %v, want %s to %s", test.at, state.Since, state.Until, test.since, test.until)
		}
	}
}

func TestOperatingHours(t *testing.T) {
	m := programme("Europe/Amsterdam", manifest.Event{Presentation: "alarm", Priority: 1000, Start: "2026-12-01T00:00:00", End: "2026-12-02T00:00:00"})
	m.Schedule.Operating = []calendar.Hours{{Days: "MO-FR", From: "07:00", To: "22:00"}, {Days: "FR", From: "21:00", To: "01:00"}}
	m.Schedule.Closed = []string{"2026-12-25", "2026-12-24"}
	s := lookup(t, m)
	shows(t, s,
		"2026-11-23T05:59:59Z", "standby", "2026-11-23T06:00:00Z", "welcome", "2026-11-23T20:59:59Z", "welcome", "2026-11-23T21:00:00Z", "standby",
		"2026-11-27T23:59:59Z", "welcome", "2026-11-28T00:00:00Z", "standby", "2026-11-29T12:00:00Z", "standby",
		"2026-12-01T05:00:00Z", "standby", "2026-12-01T06:00:00Z", "alarm", "2026-12-24T12:00:00Z", "standby")
	got := s.At(at("2026-12-24T12:00:00Z"), true)
	want := schedule.State{Event: schedule.NoEvent, Standby: true, Since: at("2026-12-23T21:00:00Z"), Until: at("2026-12-28T06:00:00Z"), Anchor: at("2026-12-23T21:00:00Z")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if state := s.At(at("2026-12-24T12:00:00Z"), false); state.Standby {
		t.Error("on standby by a clock that isn't trusted")
	}
}

// A viewer that is woken outside the hours shows what would be on, and knows when they begin.
func TestOutsideTheHours(t *testing.T) {
	m := programme("UTC", manifest.Event{Presentation: "alarm", Start: "2026-12-01T00:00:00", End: "2026-12-02T00:00:00"})
	m.Schedule.Operating = []calendar.Hours{{Days: "MO-FR", From: "07:00", To: "22:00"}}
	s := lookup(t, m)
	if on := s.Awake(at("2026-12-01T23:00:00Z"), true); on.Standby || on.Presentation != "alarm" {
		t.Errorf("woken: %+v", on)
	}
	if on, inHours := s.Awake(at("2026-12-01T12:00:00Z"), true), s.At(at("2026-12-01T12:00:00Z"), true); on != inHours {
		t.Errorf("in the hours: %+v, want %+v", on, inHours)
	}
	for _, test := range []struct {
		at          string
		closed      bool
		since, next string
	}{
		{"2026-12-01T12:00:00Z", false, "2026-12-01T07:00:00Z", "2026-12-02T07:00:00Z"},
		{"2026-12-04T12:00:00Z", false, "2026-12-04T07:00:00Z", "2026-12-07T07:00:00Z"},
		{"2026-12-05T12:00:00Z", true, "2026-12-04T22:00:00Z", "2026-12-07T07:00:00Z"},
	} {
		o := s.Opening(at(test.at))
		if o.Closed != test.closed || !o.Since.Equal(at(test.since)) || !o.Next.Equal(at(test.next)) {
			t.Errorf("%s: %+v", test.at, o)
		}
	}
	if o := lookup(t, programme("")).Opening(at("2026-12-01T12:00:00Z")); o != (schedule.Opening{}) {
		t.Errorf("without hours: %+v", o)
	}
}

// Two that share the screen 2 to 1 have it for 400 and 200 s of each ten minutes, and each one's playlists go on where they stopped.
func TestShare(t *testing.T) {
	events := []manifest.Event{{Presentation: "lunch", Share: 2}, {Presentation: "alarm", Share: 1}, {Presentation: "welcome", Share: 9, Priority: -1}}
	s := lookup(t, programme("", events...))
	base := at("2026-11-23T12:00:00Z")
	on := map[string]time.Duration{}
	played := map[string]time.Duration{}
	for second := range 3600 {
		now := base.Add(time.Duration(second) * time.Second)
		state := s.At(now, true)
		on[state.Presentation] += time.Second
		if position := now.Sub(state.Anchor); played[state.Presentation] != 0 && position != played[state.Presentation]+time.Second {
			t.Fatalf("%v: %s jumps from %v to %v", now, state.Presentation, played[state.Presentation], position)
		}
		played[state.Presentation] = now.Sub(state.Anchor)
	}
	want := map[string]time.Duration{"lunch": 40 * time.Minute, "alarm": 20 * time.Minute}
	if diff := cmp.Diff(want, on); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if state := s.At(base, true); !state.Since.Equal(base) || !state.Until.Equal(base.Add(400*time.Second)) {
		t.Errorf("%+v", state)
	}
	alone := lookup(t, programme("", events[0]))
	if state := alone.At(base, true); !state.Until.IsZero() || !state.Since.IsZero() || !state.Anchor.Equal(epoch) {
		t.Errorf("alone it takes turns: %+v", state)
	}
}

// An interrupt breaks in for half a minute each quarter of an hour, and its playlists go on where they stopped.
func TestInterrupt(t *testing.T) {
	s := lookup(t, programme("", manifest.Event{
		Presentation: "alarm", Interrupt: &manifest.Interrupt{Every: 900, Seconds: 30}, Dayparts: []calendar.Hours{{From: "08:00", To: "18:00"}},
	}))
	shows(t, s, "2026-11-23T08:00:00Z", "alarm", "2026-11-23T08:00:30Z", "welcome", "2026-11-23T08:14:59Z", "welcome", "2026-11-23T08:15:29Z", "alarm", "2026-11-23T18:00:00Z", "welcome")
	first, second := s.At(at("2026-11-23T08:00:10Z"), true), s.At(at("2026-11-23T08:15:10Z"), true)
	if into := at("2026-11-23T08:15:00Z").Sub(second.Anchor) - at("2026-11-23T08:00:00Z").Sub(first.Anchor); into != 30*time.Second {
		t.Errorf("the second goes on %v after the first began", into)
	}
	night := s.At(at("2026-11-23T20:00:00Z"), true)
	if !night.Until.Equal(at("2026-11-24T08:00:00Z")) || !night.Since.Equal(at("2026-11-23T17:45:30Z")) {
		t.Errorf("at night: %+v", night)
	}
}

// Hours that go on over midnight are one, but a day that is left out is only that day: not all that is joined to it.
func TestDaysLeftOutOfHoursThatTouch(t *testing.T) {
	m := programme("", manifest.Event{Presentation: "lunch", Dayparts: []calendar.Hours{{Days: "MO-FR", From: "00:00", To: "24:00"}}, ExDates: []string{"2026-11-25"}})
	m.Schedule.Operating = []calendar.Hours{{Days: "MO-SA", From: "00:00", To: "24:00"}, {Days: "SU", From: "00:00", To: "02:00"}}
	m.Schedule.Closed = []string{"2026-11-16", "2026-11-30"} // Mondays
	s := lookup(t, m)
	shows(t, s, "2026-11-24T12:00:00Z", "lunch", "2026-11-25T00:00:00Z", "welcome", "2026-11-26T00:00:00Z", "lunch", "2026-11-28T12:00:00Z", "welcome")
	for _, c := range []struct{ at, since, until, anchor string }{
		{"2026-11-17T12:00:00Z", "2026-11-17T00:00:00Z", "2026-11-21T00:00:00Z", "2026-11-16T00:00:00Z"},
		{"2026-11-24T12:00:00Z", "2026-11-23T00:00:00Z", "2026-11-25T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"2026-11-27T12:00:00Z", "2026-11-26T00:00:00Z", "2026-11-28T00:00:00Z", "2026-11-26T00:00:00Z"},
	} {
		got := s.At(at(c.at), true)
		if got.Event != 0 || !got.Since.Equal(at(c.since)) || !got.Until.Equal(at(c.until)) || !got.Anchor.Equal(at(c.anchor)) {
			t.Errorf("at %s: %+v", c.at, got)
		}
	}
	for moment, standby := range map[string]bool{
		"2026-11-16T12:00:00Z": true, "2026-11-17T00:00:00Z": false, "2026-11-22T01:59:00Z": false, "2026-11-22T02:00:00Z": true, "2026-11-30T12:00:00Z": true, "2026-12-01T00:00:00Z": false,
	} {
		if got := s.At(at(moment), true); got.Standby != standby {
			t.Errorf("at %s: standby is %t", moment, got.Standby)
		}
	}
	always := lookup(t, programme("", manifest.Event{Presentation: "lunch", Dayparts: []calendar.Hours{{From: "06:00", To: "06:00"}}}))
	if got := always.At(at("2026-11-24T12:00:00Z"), true); got.Event != 0 || !got.Since.IsZero() || !got.Until.IsZero() {
		t.Errorf("hours that never end: %+v", got)
	}
}

func TestExplain(t *testing.T) {
	m := programme("",
		manifest.Event{Presentation: "lunch", Start: "2026-11-23T11:00:00", End: "2026-11-23T12:00:00", Priority: 5},
		manifest.Event{Presentation: "alarm", Share: 1, Priority: 5},
		manifest.Event{Presentation: "welcome", Share: 1, Priority: 5},
		manifest.Event{Presentation: "lunch", Priority: 1})
	m.Schedule.Operating = []calendar.Hours{{From: "07:00", To: "22:00"}}
	s := lookup(t, m)
	for _, test := range []struct {
		at      string
		trusted bool
		want    []schedule.Verdict // of events 2, 1, 0, 3
	}{
		{"2026-11-23T10:00:00Z", true, []schedule.Verdict{schedule.Waiting, schedule.Shown, schedule.Off, schedule.Outranked}},
		{"2026-11-23T10:05:00Z", true, []schedule.Verdict{schedule.Shown, schedule.Waiting, schedule.Off, schedule.Outranked}},
		{"2026-11-23T11:05:00Z", true, []schedule.Verdict{schedule.Shown, schedule.Waiting, schedule.Outranked, schedule.Outranked}},
		{"2026-11-23T23:00:00Z", true, []schedule.Verdict{schedule.Closed, schedule.Closed, schedule.Off, schedule.Closed}},
		{"2026-11-23T10:00:00Z", false, []schedule.Verdict{schedule.Untrusted, schedule.Untrusted, schedule.Untrusted, schedule.Untrusted}},
	} {
		var got []schedule.Verdict
		for _, o := range s.Explain(at(test.at), test.trusted) {
			got = append(got, o.Verdict)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, trusted %t: -want +got\n%s", test.at, test.trusted, diff)
		}
	}
}
