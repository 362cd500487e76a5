package vitrine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/plays"
)

func playsTree() cli.Command {
	return cli.Command{
		Name:    "plays",
		Summary: "show the proof of play that is on this machine's disk",
		Commands: []cli.Command{
			playsListCommand.With(playsList),
			playsExportCommand.With(playsExport),
		},
	}
}

const playsHelp = "What a server has is removed from the disk after a while; all else is here. The last 30 seconds may not be yet."

var playsListCommand = cli.Command{
	Name:    "list",
	Summary: "list what was shown last, and whether a server knows",
	Usage:   "[--json] [--last N] [--state FOLDER]",
	Help:    playsHelp,
}

var playsExportCommand = cli.Command{
	Name:    "export",
	Summary: "print all of it for another program",
	Usage:   "--csv|--json [--state FOLDER]",
	Help:    playsHelp,
}

// readPlays reads the plays of the state folder that the options name.
func readPlays(state, config string) ([]plays.Record, error) {
	c, err := readConfig(config)
	if err != nil {
		return nil, err
	}
	return agent.ReadPlays(first(state, c.State, defaultState()))
}

func playsList(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine plays list", playsListCommand)
	config := flags.String("config", "", "settings `file` of the viewer")
	state := flags.String("state", "", "`folder` with the viewer's state (default: the settings', or "+defaultState()+")")
	asJSON := flags.Bool("json", false, "print JSON")
	last := flags.Int("last", 50, "the last `number` of plays")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *last < 1 {
		return cli.Usagef("--last %d: want 1 or more", *last)
	}
	list, err := readPlays(*state, *config)
	if err != nil {
		return err
	}
	list = list[max(0, len(list)-*last):]
	if *asJSON {
		if list == nil {
			list = []plays.Record{}
		}
		return cli.WriteJSON(env.Stdout, list)
	}
	rows := [][]string{{"START", "SECONDS", "ZONE", "PRESENTATION", "WHAT", "STATE"}}
	for _, p := range list {
		what, state := p.Name, "waits"
		if what == "" {
			what = p.Type + " " + strconv.Itoa(p.Item+1)
		}
		if p.Sent {
			state = "sent"
		}
		if !p.Complete {
			state += ", cut short"
		}
		rows = append(rows, []string{p.Start.Local().Format(time.DateTime), fmt.Sprintf("%.1f", p.Seconds), p.Zone, p.Presentation, what, state})
	}
	return cli.Table(env.Stdout, rows)
}

func playsExport(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine plays export", playsExportCommand)
	config := flags.String("config", "", "settings `file` of the viewer")
	state := flags.String("state", "", "`folder` with the viewer's state (default: the settings', or "+defaultState()+")")
	asCSV := flags.Bool("csv", false, "print CSV, with a line of names first")
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *asCSV == *asJSON {
		return cli.Usagef("say --csv or --json")
	}
	list, err := readPlays(*state, *config)
	if err != nil {
		return err
	}
	if *asJSON {
		if list == nil {
			list = []plays.Record{}
		}
		return cli.WriteJSON(env.Stdout, list)
	}
	table := cli.NewCSV(env.Stdout)
	if err := table.Write(cli.PlaysHeader("sent")); err != nil {
		return err
	}
	for _, p := range list {
		if err := table.Write(cli.PlayRow(p.Play, strconv.FormatBool(p.Sent))); err != nil {
			return err
		}
	}
	table.Flush()
	return table.Error()
}
