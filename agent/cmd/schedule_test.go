package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vitrine/agent"
)

const timetable = `{
 "version": 1, "id": "lobby", "issued": "2026-11-23T08:00:00Z", "timezone": "Europe/Amsterdam",
 "presentations": {
  "welcome": {"zones": [{"id": "main", "w": 100, "h": 100, "playlist": [{"type": "text", "text": "Welcome", "seconds": 10}]}]},
  "lunch": {"zones": [{"id": "main", "w": 100, "h": 100, "playlist": [{"type": "text", "text": "Soup", "seconds": 10}, {"type": "text", "text": "Salad", "seconds": 5}]}]}
 },
 "schedule": {
  "default": "welcome",
  "events": [
   {"presentation": "lunch", "start": "2026-11-23T11:30:00", "end": "2026-11-23T13:30:00", "rrule": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "exdates": ["2026-11-26"], "priority": 10},
   {"presentation": "welcome", "dayparts": [{"from": "12:00", "to": "14:00"}], "priority": 5}],
  "operating": [{"days": "MO-FR", "from": "07:00", "to": "22:00"}]
 }
}`

// has checks that an output has some texts in it.
func has(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(out, text) {
			t.Errorf("%q isn't in\n%s", text, out)
		}
	}
}

// What a technician asks of a schedule is answered from the file alone.
func TestScheduleOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "programme.json")
	if err := os.WriteFile(file, []byte(timetable), 0o600); err != nil {
		t.Fatal(err)
	}
	has(t, mustRun(t, "vitrine", "schedule", "explain", "--at", "2026-11-24T12:20:12", file),
		"Tue 2026-11-24 12:20:12, Europe/Amsterdam",
		`"lunch" is on, by events[0], since Tue 2026-11-24 11:30:00, until Tue 2026-11-24 13:30:00; then "welcome" (events[1])`,
		`zone "main": item 2, text, for 2.0 s`,
		"could be on until Tue 2026-11-24 14:00:00, but events[0] comes before it")
	has(t, mustRun(t, "vitrine", "schedule", "explain", "--at", "2026-11-24T04:00:00Z", file), "Standby: it is outside the operating hours", "until Tue 2026-11-24 07:00:00")
	has(t, mustRun(t, "vitrine", "schedule", "explain", "--untrusted", "--at", "2026-11-24T12:20:12", file), `"welcome" is on: it is the default`, "the clock isn't trusted")
	var rows []string
	for line := range strings.Lines(mustRun(t, "vitrine", "schedule", "list", "--from", "2026-11-25T08:00:00", "--days", "2", file)) {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"FROM (Europe/Amsterdam) ON BY",
		`Wed 2026-11-25 08:00:00 "welcome" default`,
		`Wed 2026-11-25 11:30:00 "lunch" events[0]`,
		`Wed 2026-11-25 13:30:00 "welcome" events[1]`,
		`Wed 2026-11-25 14:00:00 "welcome" default`,
		"Wed 2026-11-25 22:00:00 (standby) operating hours",
		`Thu 2026-11-26 07:00:00 "welcome" default`,
		`Thu 2026-11-26 12:00:00 "welcome" events[1]`,
		`Thu 2026-11-26 14:00:00 "welcome" default`,
		"Thu 2026-11-26 22:00:00 (standby) operating hours",
		`Fri 2026-11-27 07:00:00 "welcome" default`,
	}
	if strings.Join(rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

func TestScheduleRefusals(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.json"), filepath.Join(dir, "bad.json")
	for file, text := range map[string]string{good: timetable, bad: strings.Replace(timetable, "BYDAY=MO", "BYDAY=MOO", 1)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{`bad.json: schedule.events[0].rrule: BYDAY: "MOO": want days`, 1, []string{"list", bad}},
		{"want a time such as", 2, []string{"explain", "--at", "noon", good}},
		{"--days 0: want 1 to 366", 2, []string{"list", "--days", "0", good}},
		{"there is no viewer's content here", 1, []string{"list", "--state", filepath.Join(dir, "none")}},
		{"no such file", 1, []string{"explain", filepath.Join(dir, "none.json")}},
	} {
		_, errs, code := run(t, "vitrine", append([]string{"schedule"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit code %d, %s; want %d, %q", c.args, code, errs, c.code, c.want)
		}
	}
}

// A viewer says in its status which event is on, and `vitrine schedule` finds the same programme in its state folder.
func TestScheduleOfAViewer(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	state := shortDir(t)
	_, page := view(t, state, s.token(t), "--server", addr)
	status := awaitStatus(t, page, "a schedule", func(s agent.Status) bool { return s.Schedule != nil && s.Schedule.Event == nil })
	has(t, mustRun(t, "vitrine", "status", "--page", page), "Schedule  "+status.Schedule.Presentation+", the default")
	var explained struct {
		On struct{ Presentation string }
	}
	if err := json.Unmarshal([]byte(mustRun(t, "vitrine", "schedule", "explain", "--json", "--state", state)), &explained); err != nil || explained.On.Presentation != status.Schedule.Presentation {
		t.Errorf("%+v, %v; want %s", explained, err, status.Schedule.Presentation)
	}
}

// A layout in the media folder reaches the viewer; a wrong one is named in the server's log, and changes nothing.
func TestLayout(t *testing.T) {
	s := newSite(t)
	layout := filepath.Join(s.media, "programme.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(layout+".tmp", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(layout+".tmp", layout); err != nil {
			t.Fatal(err)
		}
	}
	const two = `{"presentations": {"two": {"zones": [
		{"id": "main", "w": 100, "h": 90, "playlist": [{"folder": "."}]},
		{"id": "bar", "y": 90, "w": 100, "h": 10, "playlist": [{"type": "text", "text": "hello", "seconds": 5}]}]}}, "schedule": {"default": "two"}}`
	write(two)
	server, addr := s.serve(t, "127.0.0.1:0")
	_, page := view(t, shortDir(t), s.token(t), "--server", addr)
	zones := func(want ...string) func(agent.Status) bool {
		return func(s agent.Status) bool {
			var got []string
			for _, p := range s.Playing {
				got = append(got, p.Zone)
			}
			return slices.Equal(got, want)
		}
	}
	before := awaitStatus(t, page, "two zones", zones("main", "bar"))
	write(strings.Replace(two, `"h": 90`, `"h": 91000`, 1))
	reason, _ := server.await("The programme could not be published")["err"].(string)
	has(t, reason, "presentations.two.zones[0]: x, y, w and h must make a rectangle")
	write(strings.Replace(two, `"bar"`, `"line"`, 1))
	after := awaitStatus(t, page, "the next layout", zones("main", "line"))
	if after.Rev != before.Rev+1 {
		t.Errorf("revision %d after %d: the wrong layout was published", after.Rev, before.Rev)
	}
	if err := os.Remove(layout); err != nil {
		t.Fatal(err)
	}
	awaitStatus(t, page, "no layout", zones("main"))
}
