package config

import (
	"reflect"
	"strings"
	"testing"

	"vitrine/content/calendar"
)

// Hours may be written as people write them, and mean what a manifest's mean.
func TestHours(t *testing.T) {
	for text, want := range map[string]calendar.Hours{
		"22:00-06:00":                 {From: "22:00", To: "06:00"},
		" 7:00 - 22:30 ":              {From: "07:00", To: "22:30"},
		"00:00-24:00":                 {From: "00:00", To: "24:00"},
		"24:00-06:00":                 {From: "00:00", To: "06:00"},
		"07:00\u201322:00":            {From: "07:00", To: "22:00"},
		"MO-FR 07:00-22:00":           {Days: "MO-FR", From: "07:00", To: "22:00"},
		"mo,we , fri 07:00-22:00":     {Days: "MO,WE,FR", From: "07:00", To: "22:00"},
		"Mon \u2013 Thu 07:00-22:00":  {Days: "MO-TH", From: "07:00", To: "22:00"},
		"Sat-Monday,thurs 9:00-17:00": {Days: "SA-MO,TH", From: "09:00", To: "17:00"},
		"SU22:00-02:00":               {Days: "SU", From: "22:00", To: "02:00"},
	} {
		h, err := parseHours("h", []string{text})
		week, wrong := calendar.ParseWeek([]calendar.Hours{want})
		if err != nil || wrong != nil || !reflect.DeepEqual(h, week) {
			t.Errorf("%q: %+v, %v", text, h, err)
		}
	}
	for _, bad := range []string{
		"", "22:00", "22-06", "22:00-22:00", "25:00-26:00", "22:00-06:00-07:00", "MO-FR", "XX 07:00-22:00", "M 07:00-22:00", "MO- 07:00-22:00", "MO, 07:00-22:00", "Mondays 07:00-22:00",
		"MO-TU-WE 07:00-22:00", "07:00-22:00 MO", "-07:00-22:00", "SU 10:00-18:00",
	} {
		if h, err := parseHours("h", []string{"07:00-22:00", bad}); err == nil || !strings.HasPrefix(err.Error(), "h[1]: ") || h != nil {
			t.Errorf("%q: %v, %v", bad, h, err)
		}
	}
	if h, err := parseHours("h", nil); err != nil || h != nil {
		t.Errorf("none: %v, %v", h, err)
	}
	if _, err := parseHours("h", make([]string, 2000)); err == nil {
		t.Error("any number is taken")
	}
}

func TestOperatingHours(t *testing.T) {
	c, err := ParseStick([]byte("operating_hours = [\"MO-FR 07:00-22:00\", \"SA 09:00-18:00\"]\n"))
	if err != nil || c.Operating == nil || c.Operating.String() != "Mon-Fri 07:00-22:00, Sat 09:00-18:00, Sun closed" {
		t.Errorf("%v, %v", c.Operating, err)
	}
	if _, err := ParseStick([]byte("name = \"a\"\noperating_hours = [\"07:00-22:00\", \"9 to 5\"]\n")); err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "operating_hours[1]: \"9 to 5\" are no hours such as") {
		t.Error(err)
	}
}
