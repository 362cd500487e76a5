package vitrine

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/schedule"
	"vitrine/content/calendar"
	"vitrine/content/manifest"
)

func scheduleTree() cli.Command {
	return cli.Command{
		Name:    "schedule",
		Summary: "say what is on when, and why",
		Commands: []cli.Command{
			scheduleExplainCommand.With(scheduleExplain),
			scheduleListCommand.With(scheduleList),
		},
	}
}

const scheduleHelp = "FILE is a manifest; without one it is the programme on this machine's disk, with the operating hours of this viewer's settings. Neither a server nor a running viewer is asked. " +
	"Times without a zone are in the programme's."

var scheduleExplainCommand = cli.Command{
	Name:    "explain",
	Summary: "say what is on at a time, which event put it on, and why the others didn't",
	Usage:   "[--json] [--at TIME] [--untrusted] [--state FOLDER] [FILE]",
	Help:    scheduleHelp,
}

var scheduleListCommand = cli.Command{
	Name:    "list",
	Summary: "list what comes on in the next days",
	Usage:   "[--json] [--from TIME] [--days N] [--state FOLDER] [FILE]",
	Help:    scheduleHelp,
}

// scheduleFlags are what both commands have.
type scheduleFlags struct {
	*cli.FlagSet
	config, state, at string
	asJSON            bool
}

func newScheduleFlags(env cli.Env, c cli.Command, at, usage string) *scheduleFlags {
	f := &scheduleFlags{FlagSet: cli.Flags(env, "vitrine schedule "+c.Name, c)}
	f.StringVar(&f.config, "config", "", "settings `file` of the viewer")
	f.StringVar(&f.state, "state", "", "`folder` with the viewer's state (default: the settings', or "+defaultState()+")")
	f.BoolVar(&f.asJSON, "json", false, "print JSON")
	f.StringVar(&f.at, at, "", usage)
	return f
}

// A timetable is a programme that a command is asked about.
type timetable struct {
	*schedule.Schedule
	programme *manifest.Manifest
	zone      *time.Location
	at        time.Time
}

// read parses the arguments and reads the programme.
func (f *scheduleFlags) read(args []string) (t timetable, err error) {
	rest, err := f.Parse(args, 0, 1)
	if err != nil {
		return t, err
	}
	var own schedule.Hours
	if t.programme, own, err = f.programme(rest); err != nil {
		return t, err
	}
	if t.Schedule, err = schedule.New(t.programme); err != nil {
		return t, err
	}
	t.Schedule = t.Within(own)
	if t.zone, err = t.programme.Location(); err != nil {
		return t, err
	}
	t.at = time.Now().Round(0)
	if f.at != "" {
		read, err := calendar.ParseTime(f.at, t.zone)
		if err != nil {
			return t, cli.Usagef("%v", err)
		}
		t.at = read.Moment
	}
	return t, nil
}

// programme reads a file, or what this viewer has, with its own operating hours.
func (f *scheduleFlags) programme(files []string) (m *manifest.Manifest, own schedule.Hours, err error) {
	if len(files) == 1 {
		data, err := os.ReadFile(files[0])
		if err != nil {
			return nil, own, err
		}
		if m, err = manifest.Parse(data); err != nil {
			return nil, own, fmt.Errorf("%s: %w", files[0], err)
		}
		return m, own, nil
	}
	c, damage, err := runOptions{config: f.config, state: f.state}.settings()
	if err != nil {
		return nil, own, err
	}
	if damage != nil {
		fmt.Fprintln(f.Output(), "vitrine schedule: without some of the settings:", damage)
	}
	own = schedule.Hours{Week: c.Operating, Zone: c.Zone}
	m, err = agent.ReadProgramme(first(f.state, c.State, defaultState()))
	return m, own, err
}

// show formats a time for a person.
func (t timetable) show(at time.Time) string {
	return at.In(t.zone).Format("Mon 2006-01-02 15:04:05")
}

// onResult is the JSON form of what is on.
type onResult struct {
	Presentation string    `json:"presentation,omitempty"`
	Standby      bool      `json:"standby,omitempty"`
	Event        *int      `json:"event,omitempty"`
	Since        time.Time `json:"since,omitzero"`
	Until        time.Time `json:"until,omitzero"`
	Anchor       time.Time `json:"anchor,omitzero"`
}

func resultOf(s schedule.State) onResult {
	r := onResult{Presentation: s.Presentation, Standby: s.Standby, Since: s.Since, Until: s.Until, Anchor: s.Anchor}
	if s.Event != schedule.NoEvent {
		r.Event = &s.Event
	}
	return r
}

// by names what put a presentation on.
func (t timetable) by(s schedule.State) string {
	switch {
	case s.Standby && t.own(s):
		return "operating_hours of the settings"
	case s.Standby:
		return "operating hours"
	case s.Event == schedule.NoEvent:
		return "default"
	}
	return fmt.Sprintf("events[%d]", s.Event)
}

// own tells whether a standby is by the viewer's own hours alone.
func (t timetable) own(standby schedule.State) bool {
	at := t.at
	if standby.Since.After(at) {
		at = standby.Since
	}
	return t.Opening(at).Own
}

func nameOf(s schedule.State) string {
	if s.Standby {
		return "(standby)"
	}
	return strconv.Quote(s.Presentation)
}

func scheduleList(_ context.Context, env cli.Env, args []string) error {
	flags := newScheduleFlags(env, scheduleListCommand, "from", "`time` to begin at (default: now)")
	days := flags.Int("days", 7, "how many `days`, 1 to 366")
	t, err := flags.read(args)
	if err != nil {
		return err
	}
	if *days < 1 || *days > 366 {
		return cli.Usagef("--days %d: want 1 to 366", *days)
	}
	rows := [][]string{{"FROM (" + t.zone.String() + ")", "ON", "BY"}}
	results := []onResult{}
	for s := range t.Changes(t.at, t.at.AddDate(0, 0, *days), true) {
		results = append(results, resultOf(s))
		from := s.Since
		if len(rows) == 1 {
			from = t.at
		}
		rows = append(rows, []string{t.show(from), nameOf(s), t.by(s)})
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, results)
	}
	return cli.Table(env.Stdout, rows)
}

// explanation is the JSON form of what `explain` says.
type explanation struct {
	At     time.Time    `json:"at"`
	On     onResult     `json:"on"`
	Zones  []zoneResult `json:"zones"`
	Events []eventWhy   `json:"events"`
}

// zoneResult is where a zone's playlist is. Item counts from 0.
type zoneResult struct {
	Zone string  `json:"zone"`
	Item int     `json:"item"`
	Name string  `json:"name"`
	Into float64 `json:"into"`
	// Timed is false if it depends on when a page began to show it.
	Timed bool `json:"timed"`
}

type eventWhy struct {
	Event        int       `json:"event"`
	Presentation string    `json:"presentation"`
	Priority     int       `json:"priority"`
	Why          string    `json:"why"`
	From         time.Time `json:"from,omitzero"`
	To           time.Time `json:"to,omitzero"`
}

func scheduleExplain(_ context.Context, env cli.Env, args []string) error {
	flags := newScheduleFlags(env, scheduleExplainCommand, "at", "`time` that it is about, such as 2026-11-23T12:00:00 (default: now)")
	untrusted := flags.Bool("untrusted", false, "as for a viewer whose clock can't be trusted")
	t, err := flags.read(args)
	if err != nil {
		return err
	}
	on := t.At(t.at, !*untrusted)
	e := explanation{At: t.at, On: resultOf(on), Zones: t.zones(on), Events: []eventWhy{}}
	for _, o := range t.Explain(t.at, !*untrusted) {
		event := t.programme.Schedule.Events[o.Event]
		e.Events = append(e.Events, eventWhy{o.Event, event.Presentation, event.Priority, t.why(o, on), o.From, o.To})
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, e)
	}
	return t.write(env.Stdout, on, e)
}

// zones says where each playlist of the presentation that is on stands.
func (t timetable) zones(on schedule.State) []zoneResult {
	list := []zoneResult{}
	for _, z := range t.programme.Presentations[on.Presentation].Zones {
		index, into, timed := schedule.Position(z.Playlist, on.Anchor, t.at)
		item := z.Playlist[index]
		name := t.programme.Assets[item.Asset].Name
		if name == "" {
			name = item.Type
		}
		list = append(list, zoneResult{z.ID, index, name, into.Seconds(), timed})
	}
	return list
}

// why says in words what part an event has in what is on.
func (t timetable) why(o schedule.Opinion, on schedule.State) string {
	until := ""
	if !o.To.IsZero() {
		until = " until " + t.show(o.To)
	}
	switch o.Verdict {
	case schedule.Shown:
		return "is on: no other that could be has a higher priority" + until
	case schedule.Waiting:
		return fmt.Sprintf("takes turns with %s, and waits for its own", t.by(on))
	case schedule.Outranked:
		return fmt.Sprintf("could be on%s, but %s comes before it", until, t.by(on))
	case schedule.Closed:
		return "could be on, but it is outside the operating hours"
	case schedule.Untrusted:
		return "means nothing: the clock isn't trusted"
	}
	if o.To.IsZero() {
		return "isn't on any more"
	}
	return "isn't on" + until
}

func (t timetable) write(w io.Writer, on schedule.State, e explanation) error {
	fmt.Fprintf(w, "%s, %s\n", t.show(t.at), t.zone)
	var b strings.Builder
	switch {
	case on.Standby:
		b.WriteString("Standby: it is outside the " + t.by(on))
	case on.Event == schedule.NoEvent:
		fmt.Fprintf(&b, "%q is on: it is the default, and no event puts another on", on.Presentation)
	default:
		fmt.Fprintf(&b, "%q is on, by events[%d]", on.Presentation, on.Event)
	}
	if !on.Since.IsZero() {
		fmt.Fprintf(&b, ", since %s", t.show(on.Since))
	}
	if !on.Until.IsZero() {
		next := t.At(on.Until, true)
		fmt.Fprintf(&b, ", until %s; then %s (%s)", t.show(on.Until), nameOf(next), t.by(next))
	}
	fmt.Fprintf(w, "%s.\n", b.String())
	for _, z := range e.Zones {
		if z.Timed {
			fmt.Fprintf(w, "  zone %q: item %d, %s, for %.1f s\n", z.Zone, z.Item+1, z.Name, z.Into)
		} else {
			fmt.Fprintf(w, "  zone %q: goes from video to video, not by the clock\n", z.Zone)
		}
	}
	if len(e.Events) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows := [][]string{{"EVENT", "PRESENTATION", "PRIORITY", "WHY"}}
	for _, event := range e.Events {
		rows = append(rows, []string{fmt.Sprintf("events[%d]", event.Event), event.Presentation, strconv.Itoa(event.Priority), event.Why})
	}
	return cli.Table(w, rows)
}
