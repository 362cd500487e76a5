// Package vitrineserver is the command line of the server, a file for each command.
package vitrineserver

import (
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
			runCommand.With(run),
			demoCommand.With(demo),
			tokenTree(),
			provisionTree(),
			viewersTree(),
			playsTree(),
			updateTree(),
			releaseTree(),
			cli.VersionCommand("vitrine-server", nil),
		},
	}
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
