// Package vitrine is the command line of the viewer, a file for each command.
package vitrine

import (
	"context"

	"vitrine/agent/cli"
)

// Program is the whole command line.
func Program() cli.Command {
	return cli.Command{
		Name:    "vitrine",
		Summary: "Vitrine is the viewer agent for digital signage players.",
		Commands: []cli.Command{
			with(runCommand, run),
			with(statusCommand, status),
			with(discoverCommand, discover),
			with(timeCommand, showTime),
			with(wakeCommand, wakeUp),
			serviceTree(),
			with(versionCommand, version),
		},
	}
}

// with gives a command its function; the two are apart because the function needs the command for its help.
func with(c cli.Command, run func(context.Context, cli.Env, []string) error) cli.Command {
	c.Run = run
	return c
}

var versionCommand = cli.Command{
	Name:    "version",
	Summary: "print the version",
	Usage:   "[--json]",
}

func version(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine version", versionCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	return cli.PrintVersion(env, "vitrine", *asJSON)
}
