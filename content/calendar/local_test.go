package calendar_test

import (
	"testing"
	"time"

	"vitrine/content/calendar"
)

// RFC 5545, section 3.3.5: a time that doesn't exist has the offset before the gap, one that exists twice is the first.
func TestParseTime(t *testing.T) {
	for _, test := range []struct{ zone, local, want string }{
		{"Europe/Amsterdam", "2026-01-15T12:00:00", "2026-01-15T11:00:00Z"},
		{"Europe/Amsterdam", "2026-07-15T12:00:00", "2026-07-15T10:00:00Z"},
		{"Europe/Amsterdam", "2026-03-29T01:59:59", "2026-03-29T00:59:59Z"},
		{"Europe/Amsterdam", "2026-03-29T02:00:00", "2026-03-29T01:00:00Z"}, // gap: 03:00 CEST
		{"Europe/Amsterdam", "2026-03-29T02:30:00", "2026-03-29T01:30:00Z"}, // gap: 03:30 CEST
		{"Europe/Amsterdam", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z"},
		{"Europe/Amsterdam", "2026-10-25T01:59:59", "2026-10-24T23:59:59Z"},
		{"Europe/Amsterdam", "2026-10-25T02:00:00", "2026-10-25T00:00:00Z"}, // twice
		{"Europe/Amsterdam", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"}, // twice
		{"Europe/Amsterdam", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z"},
		{"America/New_York", "2026-03-08T01:59:59", "2026-03-08T06:59:59Z"},
		{"America/New_York", "2026-03-08T02:30:00", "2026-03-08T07:30:00Z"}, // gap: 03:30 EDT
		{"America/New_York", "2026-03-08T03:00:00", "2026-03-08T07:00:00Z"},
		{"America/New_York", "2026-11-01T00:59:59", "2026-11-01T04:59:59Z"},
		{"America/New_York", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z"}, // twice
		{"America/New_York", "2026-11-01T02:00:00", "2026-11-01T07:00:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00Z"}, // a day that didn't exist
		{"Europe/Amsterdam", "2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"},
		{"America/New_York", "2026-11-23T11:30:00.25Z", "2026-11-23T11:30:00.25Z"},
		{"", "2026-03-29T02:30:00", "2026-03-29T02:30:00Z"},
	} {
		loc, err := time.LoadLocation(test.zone)
		if err != nil {
			t.Fatal(err)
		}
		read, err := calendar.ParseTime(test.local, loc)
		got := read.Moment
		if err != nil || got.UTC().Format(time.RFC3339Nano) != test.want {
			t.Errorf("%s in %q is %v, %v; want %s", test.local, test.zone, got.UTC(), err, test.want)
		}
	}
}

// Every hour of a year that exists once must come out as it went in.
func TestParseTimeOfAYear(t *testing.T) {
	for _, zone := range []string{"Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC); at.Year() == 2026; at = at.Add(30 * time.Minute) {
			local := at.In(loc).Format("2006-01-02T15:04:05")
			read, err := calendar.ParseTime(local, loc)
			got := read.Moment
			if err != nil || got.In(loc).Format("2006-01-02T15:04:05") != local || got.After(at) {
				t.Fatalf("%s in %s is %v, %v", local, zone, got, err)
			}
		}
	}
}
