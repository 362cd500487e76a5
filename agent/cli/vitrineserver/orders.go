package vitrineserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

// An order is something that a person can have a viewer do: a command of the protocol, as a subcommand.
type order struct {
	// name is that of the protocol's command and of the subcommand.
	name, summary, help string
	// usage is what comes after VIEWER, and arguments makes the command's of it; nil for none. lines is true for one with --lines.
	usage     string
	arguments func(rest []string) any
	lines     bool
}

var orders = []order{
	{name: protocol.CommandIdentify, summary: "have a viewer show its name on its screen for 30 seconds"},
	{name: protocol.CommandRefresh, summary: "have a viewer try at once to fetch what it lacks"},
	{name: protocol.CommandLogs, summary: "print the last lines of a viewer's log", lines: true},
	{name: protocol.CommandRollback, summary: "have a viewer play the programme before the present one", help: "It stays with it until the server has another one."},
	{name: protocol.CommandPurgeCache, summary: "have a viewer remove from its disk what no programme needs"},
	{name: protocol.CommandRestartPlayer, summary: "have a viewer's page load itself again"},
	{name: protocol.CommandRestartAgent, summary: "have a viewer's agent start again"},
	{name: protocol.CommandReboot, summary: "have a viewer's machine start again"},
	{name: protocol.CommandPowerOff, summary: "switch a viewer's machine off", help: "A magic packet wakes it, if its firmware is set up for that: see wake."},
	{name: protocol.CommandStandby, summary: "have a viewer go into standby", help: "It lasts until it is woken, or until its operating hours next begin."},
	{
		name: protocol.CommandWakePeer, summary: "have a viewer wake another machine of its network by a magic packet", usage: " MAC",
		help:      "For machines behind a router, which the server's own packets don't reach.",
		arguments: func(rest []string) any { return map[string]string{"mac": rest[0]} },
	},
}

func (o order) command() cli.Command {
	help := "VIEWER is a name or an id. "
	c := cli.Command{Name: o.name, Summary: o.summary, Usage: "VIEWER" + o.usage + " [--json]", Help: help + o.help}
	if o.lines {
		c.Usage = "VIEWER [--lines N] [--json]"
	}
	return c
}

// run has the viewer do it, by way of the running server.
func (o order) run(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers "+o.name, o.command())
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	lines := 0
	if o.lines {
		flags.IntVar(&lines, "lines", 200, "`number` of lines, up to 2000")
	}
	want := 1
	if o.arguments != nil {
		want = 2
	}
	rest, err := flags.Parse(args, want, want)
	if err != nil {
		return err
	}
	var data json.RawMessage
	switch {
	case o.arguments != nil:
		data, err = json.Marshal(o.arguments(rest[1:]))
	case o.lines:
		data, err = json.Marshal(map[string]int{"lines": lines})
	}
	if err != nil {
		return err
	}
	result, err := server.NewControl(*state).Command(ctx, rest[0], o.name, data)
	if errors.Is(err, server.ErrNotRunning) {
		return fmt.Errorf("no server is running on %s; a command needs one", *state)
	}
	if err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, result)
	}
	if result.State == protocol.ResultFailed {
		return fmt.Errorf("viewer %s: %s", rest[0], result.Error)
	}
	return o.print(env, rest[0], result)
}

// print prints what came of it.
func (o order) print(env cli.Env, viewer string, result protocol.Result) error {
	var log struct {
		Lines []string `json:"lines"`
	}
	if o.lines && json.Unmarshal(result.Data, &log) == nil {
		for _, line := range log.Lines {
			fmt.Fprintln(env.Stdout, line)
		}
		return nil
	}
	text := result.State
	if len(result.Data) > 0 {
		text += " " + string(result.Data)
	}
	_, err := fmt.Fprintf(env.Stdout, "%s: %s\n", viewer, text)
	return err
}
