// Package vitrine is the command line of the viewer, a file for each command.
package vitrine

import (
	"vitrine/agent/cli"
	_ "vitrine/platform/zones" // programmes name their time zone, and a device may have no database
)

// Program is the whole command line.
func Program() cli.Command {
	return cli.Command{
		Name:    "vitrine",
		Summary: "Vitrine is the viewer agent for digital signage players.",
		Commands: []cli.Command{
			runCommand.With(run),
			statusCommand.With(status),
			doctorCommand.With(examine),
			discoverCommand.With(discover),
			timeCommand.With(showTime),
			wakeCommand.With(wakeUp),
			screenshotCommand.With(screenshot),
			contentTree(),
			scheduleTree(),
			playsTree(),
			provisionTree(),
			flashCommand.With(flashCard),
			serviceTree(),
			cli.VersionCommand("vitrine", runningRelease),
		},
	}
}
