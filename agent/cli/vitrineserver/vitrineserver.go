// Package vitrineserver is the command line of the server, a file for each command.
package vitrineserver

import (
	"context"
	"os"
	"path/filepath"

	"vitrine/agent/cli"
)

// Program is the whole command line.
func Program() cli.Command {
	return cli.Command{
		Name:    "vitrine-server",
		Summary: "vitrine-server is the server for one site of Vitrine viewers.",
		Commands: []cli.Command{
			with(runCommand, run),
			with(demoCommand, demo),
			tokenTree(),
			viewersTree(),
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
	flags := cli.Flags(env, "vitrine-server version", versionCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	return cli.PrintVersion(env, "vitrine-server", *asJSON)
}

// stateFlag adds --state, the folder of the site.
func stateFlag(flags *cli.FlagSet) *string {
	return flags.String("state", defaultState(), "`folder` of the site: its keys, tokens and viewers")
}

// defaultState is the folder for a service's state, or, for somebody who just tries the program, one of their own.
func defaultState() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/lib/vitrine-server"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "vitrine-server-state"
	}
	return filepath.Join(home, ".local", "state", "vitrine-server")
}
