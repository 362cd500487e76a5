package vitrineserver

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/server"
)

func playsTree() cli.Command {
	return cli.Command{
		Name:    "plays",
		Summary: "what screens have shown: proof of play",
		Commands: []cli.Command{
			playsTotalsCommand.With(playsTotals),
			playsExportCommand.With(playsExport),
		},
	}
}

const playsHelp = "Each play is counted once, however often a viewer had to send it. Times without a zone are this machine's; a play belongs to the moment when it began."

var playsTotalsCommand = cli.Command{
	Name:    "totals",
	Summary: "count plays, by what was shown",
	Usage:   "[--json] [--viewer NAME] [--from TIME] [--to TIME] [--state FOLDER]",
	Help:    playsHelp,
}

var playsExportCommand = cli.Command{
	Name:    "export",
	Summary: "print each play for another program",
	Usage:   "--csv|--json [--viewer NAME] [--from TIME] [--to TIME] [--state FOLDER]",
	Help:    playsHelp + " JSON is one object on each line.",
}

// playsFlags are what both commands have.
type playsFlags struct {
	*cli.FlagSet
	state, viewer, from, to *string
	asJSON                  *bool
}

func newPlaysFlags(env cli.Env, c cli.Command) playsFlags {
	flags := cli.Flags(env, "vitrine-server plays "+c.Name, c)
	return playsFlags{
		FlagSet: flags, state: stateFlag(flags),
		viewer: flags.String("viewer", "", "`name` or id of a viewer (default: all)"),
		from:   flags.String("from", "", "`time` or date from which on (default: all)"),
		to:     flags.String("to", "", "`time` or date before which (default: all)"),
		asJSON: flags.Bool("json", false, "print JSON"),
	}
}

// each reads the plays.
func (f playsFlags) each(do func(server.Played)) error {
	from, err := cli.ParseWhen("--from", *f.from)
	if err != nil {
		return err
	}
	to, err := cli.ParseWhen("--to", *f.to)
	if err != nil {
		return err
	}
	if to.IsZero() {
		to = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	site, err := existingSite(*f.state)
	if err != nil {
		return err
	}
	return site.Plays(*f.viewer, from, to, do)
}

// total is what was shown of one thing.
type total struct {
	Presentation string `json:"presentation"`
	Zone         string `json:"zone"`
	// What is the asset's name, or the type of what has none; Asset is its digest.
	What  string `json:"what"`
	Asset string `json:"asset,omitempty"`
	// Plays is how often it was on, Complete how often to its end, and Viewers on how many screens.
	Plays    int `json:"plays"`
	Complete int `json:"complete"`
	Viewers  int `json:"viewers"`
	// Seconds is for how long in all.
	Seconds float64 `json:"seconds"`

	seen map[string]bool
}

func playsTotals(_ context.Context, env cli.Env, args []string) error {
	flags := newPlaysFlags(env, playsTotalsCommand)
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	type key struct{ presentation, zone, what, asset string }
	totals := map[key]*total{}
	err := flags.each(func(p server.Played) {
		k := key{p.Presentation, p.Zone, p.Name, ""}
		if !p.Asset.IsZero() {
			k.asset = p.Asset.String()
		}
		if k.what == "" {
			k.what = p.Type + " " + strconv.Itoa(p.Item+1)
		}
		t := totals[k]
		if t == nil {
			t = &total{Presentation: k.presentation, Zone: k.zone, What: k.what, Asset: k.asset, seen: map[string]bool{}}
			totals[k] = t
		}
		t.Plays++
		t.Seconds += p.Seconds
		if p.Complete {
			t.Complete++
		}
		t.seen[p.Viewer] = true
		t.Viewers = len(t.seen)
	})
	if err != nil {
		return err
	}
	list := slices.SortedFunc(maps.Values(totals), func(a, b *total) int {
		return cmp.Or(cmp.Compare(a.Presentation, b.Presentation), cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.What, b.What), cmp.Compare(a.Asset, b.Asset))
	})
	if *flags.asJSON {
		if list == nil {
			list = []*total{}
		}
		return cli.WriteJSON(env.Stdout, list)
	}
	rows := [][]string{{"PRESENTATION", "ZONE", "WHAT", "PLAYS", "COMPLETE", "SCREENS", "TIME"}}
	for _, t := range list {
		length := time.Duration(t.Seconds * float64(time.Second)).Round(time.Second)
		rows = append(rows, []string{t.Presentation, t.Zone, t.What, strconv.Itoa(t.Plays), strconv.Itoa(t.Complete), strconv.Itoa(t.Viewers), length.String()})
	}
	return cli.Table(env.Stdout, rows)
}

func playsExport(_ context.Context, env cli.Env, args []string) error {
	flags := newPlaysFlags(env, playsExportCommand)
	asCSV := flags.Bool("csv", false, "print CSV, with a line of names first")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *asCSV == *flags.asJSON {
		return cli.Usagef("say --csv or --json")
	}
	table, lines := cli.NewCSV(env.Stdout), json.NewEncoder(env.Stdout)
	var failed error
	keep := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	if *asCSV {
		keep(table.Write(cli.PlaysHeader("viewer")))
	}
	err := flags.each(func(p server.Played) {
		if *asCSV {
			keep(table.Write(cli.PlayRow(p.Play, p.Viewer)))
		} else {
			keep(lines.Encode(p))
		}
	})
	table.Flush()
	keep(table.Error())
	if err == nil && failed != nil {
		err = fmt.Errorf("writing the plays: %w", failed)
	}
	return err
}
