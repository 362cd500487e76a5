package standby

import (
	"strings"
	"testing"
	"time"
)

// at is a time of a day in 2026, in UTC.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	if !strings.Contains(s, " ") {
		s = "02 " + s
	}
	v, err := time.Parse("2006-01-02 15:04", "2026-11-"+s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shop is open from 8 to 20, every day.
func shop(now time.Time) Opening {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	open, shut := day.Add(8*time.Hour), day.Add(20*time.Hour)
	switch {
	case now.Before(open):
		return Opening{Known: true, Closed: true, Since: shut.AddDate(0, 0, -1), Next: open}
	case now.Before(shut):
		return Opening{Known: true, Since: open, Next: open.AddDate(0, 0, 1)}
	}
	return Opening{Known: true, Closed: true, Since: shut, Next: open.AddDate(0, 0, 1)}
}

func always(time.Time) Opening  { return Opening{Known: true} }
func unknown(time.Time) Opening { return Opening{} }

func TestPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		hours func(time.Time) Opening
		did   []string // "sleep 12:00", "wake 23:00"
		now   string
		want  State // with times as text below
		since string
		until string
	}{
		"in the hours":                {shop, nil, "12:00", State{}, "", ""},
		"after them":                  {shop, nil, "21:00", State{Standby: true, Why: Hours}, "20:00", "03 08:00"},
		"before them":                 {shop, nil, "07:59", State{Standby: true, Why: Hours}, "01 20:00", "08:00"},
		"they begin":                  {shop, nil, "08:00", State{}, "", ""},
		"no hours":                    {always, nil, "03:00", State{}, "", ""},
		"hours unknown":               {unknown, nil, "03:00", State{}, "", ""},
		"asked":                       {shop, []string{"sleep 12:00"}, "12:01", State{Standby: true, Why: Asked, By: "sleep"}, "12:00", "03 08:00"},
		"asked, and the hours end":    {shop, []string{"sleep 12:00"}, "23:00", State{Standby: true, Why: Asked, By: "sleep"}, "12:00", "03 08:00"},
		"asked, until the next day":   {shop, []string{"sleep 12:00"}, "03 08:00", State{}, "", ""},
		"asked, and woken":            {shop, []string{"sleep 12:00", "wake 12:05"}, "12:06", State{}, "", ""},
		"asked before the hours":      {shop, []string{"sleep 06:00"}, "09:00", State{}, "", ""},
		"asked without hours":         {always, []string{"sleep 12:00"}, "09 12:00", State{Standby: true, Why: Asked, By: "sleep"}, "12:00", ""},
		"asked, hours unknown":        {unknown, []string{"sleep 12:00"}, "12:01", State{Standby: true, Why: Asked, By: "sleep"}, "12:00", ""},
		"asked, back, they begin":     {shop, []string{"sleep 12:00", "look 06:00"}, "08:00", State{}, "", ""},
		"asked, the clock went back":  {shop, []string{"sleep 12:00", "look 06:00"}, "07:00", State{Standby: true, Why: Asked, By: "sleep"}, "06:00", "08:00"},
		"woken at night":              {shop, []string{"wake 22:00"}, "22:29", State{Why: Woken, By: "wake"}, "22:00", "22:30"},
		"woken at night, over":        {shop, []string{"wake 22:00"}, "22:30", State{Standby: true, Why: Hours}, "22:30", "03 08:00"},
		"woken twice":                 {shop, []string{"wake 22:00", "wake 22:20"}, "22:49", State{Why: Woken, By: "wake"}, "22:20", "22:50"},
		"woken just before the hours": {shop, []string{"wake 07:50"}, "07:59", State{Why: Woken, By: "wake"}, "07:50", "08:00"},
		"woken, and asked to sleep":   {shop, []string{"wake 22:00", "sleep 22:10"}, "22:11", State{Standby: true, Why: Asked, By: "sleep"}, "22:10", "03 08:00"},
		"woken in the hours":          {shop, []string{"wake 19:50", "look 19:51"}, "20:00", State{Standby: true, Why: Hours}, "20:00", "03 08:00"},
		"woken, hours not known at once": {func(now time.Time) Opening {
			return map[bool]func(time.Time) Opening{true: unknown, false: shop}[now.Hour() < 23](now)
		}, []string{"wake 21:00", "look 22:59"}, "23:28", State{Why: Woken, By: "wake"}, "22:59", "23:29"},
		"woken, and the clock went back": {shop, []string{"wake 23:00", "look 21:00"}, "21:29", State{Why: Woken, By: "wake"}, "21:00", "21:30"},
	} {
		var p Policy
		for _, step := range c.did {
			what, when, _ := strings.Cut(step, " ")
			now := at(t, when)
			switch what {
			case "sleep":
				p.Sleep(now, what)
			case "wake":
				p.Wake(now, what)
			}
			p.At(now, c.hours(now))
		}
		now := at(t, c.now)
		c.want.Since, c.want.Until = at(t, c.since), at(t, c.until)
		if got := p.At(now, c.hours(now)); got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

// The machine itself sleeps only if something will wake it, and if that is worth it.
func TestAlarm(t *testing.T) {
	night := State{Standby: true, Why: Hours, Since: at(t, "20:00"), Until: at(t, "03 08:00")}
	for name, c := range map[string]struct {
		now, awake string
		state      State
		ok         bool
	}{
		"night":                    {"20:02", "08:00", night, true},
		"just begun":               {"20:01", "08:00", night, false},
		"just started":             {"22:01", "22:00", night, false},
		"started a while ago":      {"22:02", "22:00", night, true},
		"shortly before the hours": {"03 07:48", "08:00", night, false},
		"awake":                    {"22:00", "08:00", State{Until: at(t, "03 08:00")}, false},
		"nothing to wake for":      {"22:00", "08:00", State{Standby: true, Since: at(t, "20:00")}, false},
	} {
		wake, ok := Alarm(at(t, c.now), at(t, c.awake), c.state)
		if ok != c.ok || ok && !wake.Equal(at(t, "03 07:57")) {
			t.Errorf("%s: %v at %v", name, ok, wake)
		}
	}
}

func TestReboot(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ started, want string }{
		{"2026-11-02 12:00", "2026-11-03 04:07"},
		{"2026-11-02 04:08", "2026-11-03 04:07"},
		{"2026-11-02 03:30", "2026-11-03 04:07"}, // the clock went back over it
		{"2026-11-02 02:00", "2026-11-02 04:07"},
		{"2026-03-28 12:00", "2026-03-29 04:07"}, // the day with an hour less
	} {
		started, err := time.ParseInLocation("2006-01-02 15:04", c.started, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := Reboot(started, 4*time.Hour, 7*time.Minute, berlin).Format("2006-01-02 15:04"); got != c.want {
			t.Errorf("started %s: %s, want %s", c.started, got, c.want)
		}
	}
}
