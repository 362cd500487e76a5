package vitrine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/player"
	"vitrine/agent/protocol"
)

var statusCommand = cli.Command{
	Name:    "status",
	Summary: "show what the viewer on this machine is doing",
	Usage:   "[--json] [--page ADDRESS]",
}

// defaultPage is where a viewer's page is unless its settings say otherwise.
func defaultPage() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(protocol.PagePort)) }

// statusTimeout is how long the agent, on this very machine, may take.
const statusTimeout = 5 * time.Second

func status(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine status", statusCommand)
	asJSON := flags.Bool("json", false, "print the whole status as JSON")
	page := flags.String("page", defaultPage(), "`address` of the running viewer's page")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *asJSON {
		data, err := fetchStatus(ctx, *page)
		if err == nil {
			_, err = env.Stdout.Write(data)
		}
		return err
	}
	s, err := readStatus(ctx, *page)
	if err != nil {
		return err
	}
	writeStatus(env.Stdout, s)
	return nil
}

// readStatus asks the agent on its loopback address.
func readStatus(ctx context.Context, page string) (s agent.Status, err error) {
	data, err := fetchStatus(ctx, page)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s: what answers there is not a viewer: %w", page, err)
	}
	return s, nil
}

// fetchStatus is readStatus as it came.
func fetchStatus(ctx context.Context, page string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+page+"/v1/status", nil)
	if err != nil {
		return nil, cli.Usagef("--page %s: want an address such as 127.0.0.1:7238", page)
	}
	resp, err := http.DefaultClient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no viewer is running on %s; start it with `vitrine run` or `vitrine service start`", page)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: what answers there is not a viewer (%s)", page, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, protocol.MaxMessage))
}

// writeStatus prints a status for a person.
func writeStatus(w io.Writer, s agent.Status) {
	line := func(name, format string, a ...any) { fmt.Fprintf(w, "%-9s %s\n", name, fmt.Sprintf(format, a...)) }
	line("Viewer", "%s (%s), up %s", s.Name, s.Version, time.Since(s.Started).Round(time.Second))
	if s.Update != nil {
		line("Update", "%s", updateLine(*s.Update))
	}
	session := s.Session.State
	if s.Session.Server != "" {
		session += " to " + s.Session.Server
	}
	if s.Session.Proxy != "" {
		session += " through the proxy " + s.Session.Proxy
	}
	if s.Site != "" {
		session += ", site " + s.Site
	}
	line("Session", "%s, for %s", session, time.Since(s.Session.Since).Round(time.Second))
	if s.Session.Error != "" {
		line("", "%s", s.Session.Error)
	}
	if s.Pairing != "" {
		line("Code", "%s: compare it with the one at the site", s.Pairing)
	}
	line("Clock", "%s", clockLine(s.Clock))
	for _, source := range s.Clock.Sources {
		if len(s.Clock.Sources) > 1 || s.Clock.Trust != "ntp" {
			line("", "%s", timeSourceLine(source))
		}
	}
	line("Content", "%s", contentLine(s.Content))
	if s.Schedule != nil {
		line("Schedule", "%s", scheduleLine(*s.Schedule))
	}
	if s.Standby != nil {
		line("Standby", "%s", standbyLine(*s.Standby))
	}
	line("Display", "%s", displayLine(s.Display))
	for i, p := range s.Playing {
		name := ""
		if i == 0 {
			name = "Playing"
		}
		line(name, "%s", playingLine(p))
	}
	if s.Browser != nil {
		line("Browser", "%s", browserLine(*s.Browser))
	}
	if s.Plays.Waiting > 0 || s.Plays.Lost > 0 {
		line("Plays", "%d wait for a server, %d were given up", s.Plays.Waiting, s.Plays.Lost)
	}
	for _, f := range s.Faults {
		line("FAULT", "%s (since %s)", f.Message, f.Since.Local().Format(time.DateTime))
	}
	if len(s.Later) > 0 {
		line("Settings", "%s: changed, and counting from the next start on (`vitrine service restart`)", strings.Join(s.Later, ", "))
	}
	line("Page", "%s", s.Page)
	if s.PageClock != nil {
		line("", "%s", pageClockLine(*s.PageClock))
	}
}

func updateLine(u protocol.UpdateStatus) string {
	var text []string
	if u.State != "" {
		name := u.Version
		if name == "" {
			name = u.Release.Short()
		}
		text = append(text, "release "+name+": "+u.State)
	}
	if u.Error != "" {
		text[len(text)-1] += " (" + u.Error + ")"
	}
	if u.Installed != "" {
		text = append(text, "installed is "+u.Installed)
	}
	return strings.Join(text, "; ")
}

func clockLine(c protocol.ClockStatus) string {
	switch c.Trust {
	case "ntp":
		return fmt.Sprintf("ntp from %s: the system clock is off by %.3f ms, ± %.3f ms", c.Source, -c.Offset*1e3, c.Error*1e3)
	case "rtc":
		return "rtc: the system clock, which nothing has confirmed yet"
	}
	return fmt.Sprintf("%s: from the %s", c.Trust, c.Source)
}

func pageClockLine(c player.PageClock) string {
	return fmt.Sprintf("its clock is within %.2f ms of the viewer's: best round trip %.2f ms, spread %.2f ms, drift %+.1f ppm, measured %s ago",
		c.Error.Seconds()*1e3, c.RoundTrip.Seconds()*1e3, c.Spread.Seconds()*1e3, c.Drift, time.Since(c.At).Round(time.Second))
}

func contentLine(c protocol.ContentStatus) string {
	var b strings.Builder
	if c.Generation.IsZero() {
		b.WriteString("none yet")
	} else {
		fmt.Fprintf(&b, "%s (%s), since %s", c.ID, c.Generation.Short(), c.Activated.Local().Format(time.DateTime))
	}
	if s := c.Sync; s != nil {
		fmt.Fprintf(&b, "; fetching another: %d of %d files, %s of %s", s.FilesDone, s.Files, cli.Bytes(s.BytesDone), cli.Bytes(s.Bytes))
		b.WriteString(pace(*s))
	}
	return b.String()
}

func scheduleLine(s protocol.ScheduleStatus) string {
	var b strings.Builder
	switch {
	case s.Standby:
		b.WriteString("nothing: the screen is dark")
	case s.Event == nil:
		fmt.Fprintf(&b, "%s, the default", s.Presentation)
	default:
		fmt.Fprintf(&b, "%s, by events[%d]", s.Presentation, *s.Event)
	}
	if !s.Since.IsZero() {
		fmt.Fprintf(&b, ", since %s", s.Since.Local().Format(time.DateTime))
	}
	if !s.Until.IsZero() {
		fmt.Fprintf(&b, ", until %s", s.Until.Local().Format(time.DateTime))
	}
	return b.String()
}

func browserLine(b protocol.BrowserStatus) string {
	switch {
	case b.Paused:
		return fmt.Sprintf("not running while the display is off; it was started %s", times(b.Starts))
	case !b.Running:
		return fmt.Sprintf("not running; it was started %s", times(b.Starts))
	}
	text := fmt.Sprintf("%s, since %s; started %s", b.Program, b.Since.Local().Format(time.DateTime), times(b.Starts))
	if b.Memory > 0 {
		text += fmt.Sprintf("; uses %s of memory, of %s", cli.Bytes(b.Memory), cli.Bytes(b.Limit))
	}
	return text
}

func standbyLine(s protocol.StandbyStatus) string {
	text := "no: awake outside the operating hours, woken by " + s.By
	switch {
	case s.Active && s.Why == protocol.StandbyHours:
		text = "yes: it is outside the operating hours"
		if s.By != "" {
			text += " of " + s.By
		}
	case s.Active:
		text = "yes: " + s.By + " wants it"
	}
	if !s.Since.IsZero() {
		text += ", since " + s.Since.Local().Format(time.DateTime)
	}
	switch {
	case !s.Until.IsZero() && s.Active:
		text += "; next start " + s.Until.Local().Format(time.DateTime)
	case !s.Until.IsZero():
		text += ", until " + s.Until.Local().Format(time.DateTime)
	}
	return text
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func displayLine(d protocol.DisplayStatus) string {
	switch {
	case d.Method == "":
		return "always on: no way to switch it was found"
	case d.Error != "":
		return d.State + ", by " + d.Method + ": " + d.Error
	}
	return d.State + ", by " + d.Method
}

func playingLine(p protocol.Playing) string {
	name := p.Name
	if name == "" {
		name = fmt.Sprintf("item %d", p.Item+1)
	}
	if !p.Shown {
		return fmt.Sprintf("%s should be on in zone %s, but no browser shows the page", name, p.Zone)
	}
	return fmt.Sprintf("%s in zone %s, since %s", name, p.Zone, p.Since.Local().Format(time.TimeOnly))
}
