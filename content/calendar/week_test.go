package calendar_test

import (
	"testing"

	"vitrine/content/calendar"
)

func TestWeekInWords(t *testing.T) {
	for want, hours := range map[string][]calendar.Hours{
		"Mon-Sun 07:00-22:00":    {{From: "07:00", To: "22:00"}},
		"Mon-Sun 00:00-24:00":    {{From: "00:00", To: "24:00"}},
		"Mon-Sun 22:00-06:00:30": {{From: "22:00", To: "06:00:30"}},
		"Mon-Sun closed":         nil,
		"Mon-Fri 07:00-12:00 13:00-18:00, Sat 09:00-24:00, Sun closed":             {{Days: "MO-FR", From: "07:00", To: "12:00"}, {Days: "MO-FR", From: "13:00", To: "18:00"}, {Days: "SA", From: "09:00", To: "24:00"}},
		"Mon closed, Tue 08:00-09:00, Wed closed, Thu 08:00-09:00, Fri-Sun closed": {{Days: "TU,TH", From: "08:00", To: "09:00"}},
	} {
		w, err := calendar.ParseWeek(hours)
		if err != nil || w.String() != want {
			t.Errorf("%q, %v; want %q", w, err, want)
		}
	}
}
