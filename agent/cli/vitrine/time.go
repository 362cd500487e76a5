package vitrine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/platform/clock/counter"
	"vitrine/platform/clock/sntp"
)

var timeCommand = cli.Command{
	Name:    "time",
	Summary: "show the clock of the viewer on this machine, or measure this machine's against a server",
	Usage:   "[--json] [--watch] [--page ADDRESS | --server SERVER [--samples N]]",
	Help: "Without --server it shows what the running viewer knows of the time, and says of each time server whether it is used, or why not. " +
		"With --server this machine's clock is measured against any NTP server: an address or a name, with or without a port. Nothing is set.",
}

// watchInterval is the time between two lines of --watch.
const watchInterval = time.Second

// timeResult is the JSON form of a measurement; times are in seconds.
type timeResult struct {
	Server  string    `json:"server"`
	Offset  float64   `json:"offset"`
	Error   float64   `json:"error"`
	RTT     float64   `json:"rtt"`
	Stratum int       `json:"stratum"`
	Samples int       `json:"samples"`
	Time    time.Time `json:"time"`
}

func showTime(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine time", timeCommand)
	asJSON := flags.Bool("json", false, "print JSON, an object each time")
	watch := flags.Bool("watch", false, "go on, once a second, until Ctrl-C")
	page := flags.String("page", defaultPage(), "`address` of the running viewer's page")
	server := flags.String("server", "", "NTP `server` to measure against")
	samples := flags.Int("samples", 8, "`number` of times to ask the server")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *samples < 1 || *samples > 100 {
		return cli.Usagef("--samples %d: want 1 to 100", *samples)
	}
	show := func() error { return showClock(ctx, env.Stdout, *page, *asJSON) }
	if *server != "" {
		addr, err := config.TimeServer(*server)
		if err != nil {
			return cli.Usagef("--server: %v", err)
		}
		show = func() error { return measureClock(ctx, env.Stdout, addr, *samples, *asJSON) }
	}
	for {
		err := show()
		if ctx.Err() != nil && *watch {
			return nil
		}
		if err != nil || !*watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchInterval):
		}
	}
}

// measureClock asks a server, and prints what this machine's clock lacks.
func measureClock(ctx context.Context, w io.Writer, server string, samples int, asJSON bool) error {
	m, err := sntp.Measure(ctx, server, samples)
	if err != nil {
		return err
	}
	best := m.Best
	// The answer is about a counter; what the system clock lacks is the difference to that.
	offset, bound := best.Offset()-(time.Duration(time.Now().UnixNano())-counter.Now()), best.RTT()/2
	now := time.Now().Add(offset).UTC()
	if asJSON {
		return cli.WriteJSON(w, timeResult{server, offset.Seconds(), bound.Seconds(), best.RTT().Seconds(), best.Stratum, m.Samples, now})
	}
	direction := "behind"
	if offset < 0 {
		direction = "ahead of"
	}
	fmt.Fprintf(w, "This machine's clock is %v %s %s, give or take %v (%d of %d answers, stratum %d).\n",
		offset.Abs().Round(time.Microsecond), direction, server, bound.Round(time.Microsecond), m.Samples, samples, best.Stratum)
	fmt.Fprintf(w, "The time there is %s.\n", now.Format("2006-01-02 15:04:05.000 MST"))
	return nil
}

// showClock prints the clock of a running viewer.
func showClock(ctx context.Context, w io.Writer, page string, asJSON bool) error {
	data, err := fetchStatus(ctx, page)
	if err != nil {
		return err
	}
	var s agent.Status
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("%s: what answers there is not a viewer: %w", page, err)
	}
	if asJSON {
		return cli.WriteJSON(w, s.Clock)
	}
	now := time.Now().Add(time.Duration(s.Clock.Offset * float64(time.Second)))
	fmt.Fprintf(w, "%s  %s\n", now.Format("2006-01-02 15:04:05.000 MST"), clockLine(s.Clock))
	if s.Clock.Frequency != 0 {
		fmt.Fprintf(w, "  The machine's crystal is off by %.2f ppm.\n", -s.Clock.Frequency)
	}
	if s.Clock.System != "" {
		fmt.Fprintf(w, "  System clock: %s.\n", s.Clock.System)
	}
	for _, source := range s.Clock.Sources {
		fmt.Fprintf(w, "  %s\n", timeSourceLine(source))
	}
	if len(s.Clock.Sources) == 0 {
		fmt.Fprintln(w, "  No time server is known: the viewer has had no session, and [clock] servers names none.")
	}
	return nil
}

// timeSourceLine says what is known of a time server.
func timeSourceLine(s protocol.ClockSource) string {
	if s.Error == 0 {
		return fmt.Sprintf("%s: %s", s.Server, s.Verdict)
	}
	return fmt.Sprintf("%s: %s (differs by %.3f ms, ± %.3f ms; stratum %d, asked every %.0f s, reach %03o)", s.Server, s.Verdict, s.Offset*1e3, s.Error*1e3, s.Stratum, s.Poll, s.Reach)
}
