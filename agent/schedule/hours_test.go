package schedule_test

import (
	"testing"
	"time"

	"vitrine/agent/schedule"
	"vitrine/content/calendar"
	"vitrine/content/manifest"
)

// weekly are hours in a zone.
func weekly(t *testing.T, zone string, hours ...calendar.Hours) schedule.Hours {
	t.Helper()
	week, err := calendar.ParseWeek(hours)
	if err != nil {
		t.Fatal(err)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return schedule.Hours{Week: week, Zone: loc}
}

func TestHours(t *testing.T) {
	night, day := calendar.Hours{From: "22:00", To: "06:00"}, calendar.Hours{From: "00:00", To: "24:00"}
	noon := calendar.Hours{From: "12:00", To: "13:00"}
	for _, test := range []struct {
		hours  []calendar.Hours
		at     string
		within bool
		holds  time.Duration
	}{
		{[]calendar.Hours{night}, "2026-06-01 21:59:59", false, time.Second},
		{[]calendar.Hours{night}, "2026-06-01 22:00:00", true, 8 * time.Hour},
		{[]calendar.Hours{night}, "2026-06-01 05:00:00", true, time.Hour},
		{[]calendar.Hours{night}, "2026-06-01 06:00:00", false, 16 * time.Hour},
		{[]calendar.Hours{noon, {From: "13:00", To: "14:00"}}, "2026-06-01 12:30:00", true, 90 * time.Minute},
		{[]calendar.Hours{{From: "12:00", To: "14:00"}, {From: "13:00", To: "15:00"}}, "2026-06-01 12:30:00", true, 150 * time.Minute},
		{[]calendar.Hours{{From: "18:00", To: "24:00"}}, "2026-06-01 23:00:00", true, time.Hour},
		{[]calendar.Hours{{From: "22:00", To: "24:00"}, {From: "00:00", To: "02:00"}}, "2026-06-01 23:00:00", true, 3 * time.Hour},
		{[]calendar.Hours{{Days: "SA", From: "12:00", To: "13:00"}}, "2026-06-01 12:00:00", false, 5 * 24 * time.Hour}, // a Monday
		{[]calendar.Hours{day}, "2026-06-01 23:00:00", true, 0},
		// In the night of 2026-03-29 the hour from 2 to 3 doesn't exist, in that of 2026-10-25 it is there twice.
		{[]calendar.Hours{night}, "2026-03-28 22:00:00", true, 7 * time.Hour},
		{[]calendar.Hours{night}, "2026-10-24 22:00:00", true, 9 * time.Hour},
	} {
		h := weekly(t, "Europe/Berlin", test.hours...)
		at, err := time.ParseInLocation(time.DateTime, test.at, h.Zone)
		if err != nil {
			t.Fatal(err)
		}
		if within, holds := h.At(at); within != test.within || holds != test.holds {
			t.Errorf("%v at %s: %t for %v, want %t for %v", test.hours, test.at, within, holds, test.within, test.holds)
		}
	}
	if within, holds := (schedule.Hours{}).At(time.Now()); !within || holds != 0 {
		t.Errorf("without hours: %t for %v", within, holds)
	}
}

// A viewer with hours of its own is on only while both its own and the programme's say so, and knows whose close it.
func TestWithin(t *testing.T) {
	m := programme("UTC", manifest.Event{Presentation: "lunch", Dayparts: []calendar.Hours{{From: "11:00", To: "14:00"}}})
	m.Schedule.Operating = []calendar.Hours{{Days: "MO-FR", From: "07:00", To: "22:00"}}
	m.Schedule.Closed = []string{"2026-12-02"}
	whole := lookup(t, m)
	s := whole.Within(weekly(t, "Europe/Berlin", calendar.Hours{Days: "TU-SU", From: "09:00", To: "20:00"})) // 08:00 to 19:00 in UTC
	for _, test := range []struct {
		at          string
		want        string
		own         bool
		since, next string
	}{
		{"2026-12-01T07:30:00Z", "", true, "2026-11-27T19:00:00Z", "2026-12-01T08:00:00Z"}, // Tuesday, after a Monday that is only the programme's
		{"2026-12-01T12:00:00Z", "lunch", false, "2026-12-01T08:00:00Z", "2026-12-03T08:00:00Z"},
		{"2026-12-01T19:30:00Z", "", true, "2026-12-01T19:00:00Z", "2026-12-03T08:00:00Z"},
		{"2026-12-01T23:30:00Z", "", false, "2026-12-01T19:00:00Z", "2026-12-03T08:00:00Z"},
		{"2026-12-02T12:00:00Z", "", false, "2026-12-01T19:00:00Z", "2026-12-03T08:00:00Z"},
		{"2026-12-05T12:00:00Z", "", false, "2026-12-04T19:00:00Z", "2026-12-08T08:00:00Z"},
	} {
		now := at(test.at)
		on, o := s.At(now, true), s.Opening(now)
		if on.Presentation != test.want || on.Standby != (test.want == "") || o.Closed != on.Standby || o.Own != test.own || !o.Since.Equal(at(test.since)) || !o.Next.Equal(at(test.next)) {
			t.Errorf("%s: %+v, %+v", test.at, on, o)
		}
		if woken := s.Awake(now, true); woken.Standby {
			t.Errorf("%s, woken: %+v", test.at, woken)
		}
	}
	if on := s.At(at("2026-12-01T23:30:00Z"), false); on.Standby {
		t.Error("on standby by a clock that isn't trusted")
	}
	for name, again := range map[string]*schedule.Schedule{"before": whole, "taken back": s.Within(schedule.Hours{})} {
		if on := again.At(at("2026-12-01T21:00:00Z"), true); on.Standby {
			t.Errorf("%s: %+v", name, on)
		}
	}
}

// Hours without a zone are in the programme's.
func TestWithinZone(t *testing.T) {
	own := weekly(t, "UTC", calendar.Hours{From: "09:00", To: "20:00"})
	own.Zone = nil
	for zone, opens := range map[string]string{"Europe/Berlin": "2026-12-01T08:00:00Z", "": at("2026-12-01T00:00:00Z").Add(9 * time.Hour).Format(time.RFC3339)} {
		if zone == "" && time.Local != time.UTC {
			continue
		}
		if o := lookup(t, programme(zone)).Within(own).Opening(at("2026-12-01T02:00:00Z")); !o.Closed || !o.Next.Equal(at(opens)) {
			t.Errorf("%q: %+v", zone, o)
		}
	}
}

// Hours that have none in common with the programme's have no next time, and that is known.
func TestWithinNever(t *testing.T) {
	m := programme("UTC")
	m.Schedule.Operating = []calendar.Hours{{Days: "MO-FR", From: "07:00", To: "22:00"}}
	for name, own := range map[string]calendar.Hours{"other days": {Days: "SU", From: "09:00", To: "20:00"}, "swapped": {From: "22:00", To: "07:00"}} {
		s := lookup(t, m).Within(weekly(t, "UTC", own))
		for _, now := range []string{"2026-12-01T12:00:00Z", "2026-12-01T23:00:00Z", "2026-12-06T10:00:00Z"} {
			o, on := s.Opening(at(now)), s.At(at(now), true)
			if !o.Closed || !o.Never || !o.Since.IsZero() || !o.Next.IsZero() || !on.Standby || !on.Until.IsZero() || !on.Since.IsZero() {
				t.Errorf("%s, %s: %+v, %+v", name, now, o, on)
			}
		}
	}
	if o := lookup(t, m).Opening(at("2026-12-06T10:00:00Z")); o.Never {
		t.Errorf("one that opens on Monday: %+v", o)
	}
	m.Schedule.Events, m.Schedule.Operating = nil, []calendar.Hours{}
	if o := lookup(t, m).Within(schedule.Hours{}).Opening(at("2026-12-06T10:00:00Z")); o.Never {
		t.Errorf("%+v", o)
	}
}
