package vitrine

import (
	"context"
	"fmt"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/platform/clock/counter"
	"vitrine/platform/clock/sntp"
)

var timeCommand = cli.Command{
	Name:    "time",
	Summary: "measure this machine's clock against an NTP server",
	Usage:   "[--samples N] [--json] SERVER",
	Help:    "SERVER is any NTP server: an address or a name, with or without a port. Nothing is set.",
}

// timeResult is the JSON form; times are in seconds.
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
	asJSON := flags.Bool("json", false, "print JSON")
	samples := flags.Int("samples", 8, "`number` of times to ask")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *samples < 1 || *samples > 100 {
		return cli.Usagef("--samples %d: want 1 to 100", *samples)
	}
	server, err := config.TimeServer(rest[0])
	if err != nil {
		return cli.Usagef("%v", err)
	}
	m, err := sntp.Measure(ctx, server, *samples)
	if err != nil {
		return err
	}
	best := m.Best
	// The answer is about a counter; what the system clock lacks is the difference to that.
	offset, bound := best.Offset()-(time.Duration(time.Now().UnixNano())-counter.Now()), best.RTT()/2
	now := time.Now().Add(offset).UTC()
	if *asJSON {
		return cli.WriteJSON(env.Stdout, timeResult{server, offset.Seconds(), bound.Seconds(), best.RTT().Seconds(), best.Stratum, m.Samples, now})
	}
	direction := "behind"
	if offset < 0 {
		direction = "ahead of"
	}
	fmt.Fprintf(env.Stdout, "This machine's clock is %v %s %s, give or take %v (%d of %d answers, stratum %d).\n",
		offset.Abs().Round(time.Microsecond), direction, server, bound.Round(time.Microsecond), m.Samples, *samples, best.Stratum)
	fmt.Fprintf(env.Stdout, "The time there is %s.\n", now.Format("2006-01-02 15:04:05.000 MST"))
	return nil
}
