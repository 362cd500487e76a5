package vitrine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"vitrine/agent/cli"
	"vitrine/platform/service"
)

// serviceConfig is how the operating system knows the viewer.
var serviceConfig = service.Config{
	Name:        "vitrine",
	DisplayName: "Vitrine viewer",
	Description: "Vitrine viewer agent for digital signage",
	Args:        []string{"run"},
	State:       serviceState,
	Settings:    serviceSettings,
	User:        "vitrine",
}

// serviceState is where a service keeps its state unless the settings say otherwise, which are in serviceSettings.
var serviceSettings, serviceState = service.Folders("vitrine")

// serviceActions are the subcommands of `vitrine service` that have no options, in the order of their use.
var serviceActions = []struct {
	name, summary, done string
	do                  func(service.Config) error
}{
	{"start", "start the service", "started", service.Start},
	{"restart", "stop the service and start it again", "started again", service.Restart},
	{"stop", "stop the service", "stopped", service.Stop},
}

var (
	serviceInstallCommand = cli.Command{
		Name:    "install",
		Summary: "make the viewer a service that starts with the machine",
		Usage:   "[--user NAME] [--screen] [--set-clock] [--json]",
		Help: `Under systemd the viewer gets a user of its own, vitrine, who can't log in and may do no more than it
has to: listen on ports below 1024 and hear raw frames. Say more if it is to do more:

  --set-clock   clock.discipline = "system" works
  --screen      the viewer runs the browser itself, and switches the display (DRM, CEC, serial line)
                (without a desktop the browser needs cage, seatd and Xwayland)
  --user root   it also mounts sticks that the system doesn't, changes network settings, arms the network
                card for magic packets, sets the clock's alarm for standby, feeds the hardware watchdog,
                dims the backlight, and may have the browser run as a user of yours

Without root, restarting the machine, switching it off and setting its time zone are asked of systemd, by a
rule for polkit, if that is installed. With SysV, OpenRC and on Windows the viewer is the system's own
user's, and these options mean nothing. The same is written for macOS' launchd, and has never been run there.

Where a package of the system has brought the service along, these options give it a unit that comes before
the package's; "vitrine service uninstall" removes that one alone.`,
	}
	serviceUnitCommand = cli.Command{
		Name:    "unit",
		Summary: "print the unit for systemd that install would write, for whoever makes an image",
		Usage:   "[--program PATH] [--user NAME] [--screen] [--set-clock]",
	}
	serviceUninstallCommand = cli.Command{
		Name:    "uninstall",
		Summary: "remove the service and its user; settings, identity and content stay",
		Usage:   "[--purge [--yes]] [--json]",
		Help: `With --purge settings, identity and content are removed as well, for good: the viewer must be enrolled
anew. It asks before it does that, unless --yes is given.`,
	}
	serviceStatusCommand = cli.Command{
		Name:    "status",
		Summary: "say whether the service is installed and running",
		Usage:   "[--json]",
		Help:    "The exit code is as systemctl's: 0 if it is running, 3 if it is stopped or has failed, 4 if it isn't installed.",
	}
)

func serviceTree() cli.Command {
	tree := cli.Command{Name: "service", Summary: "install, start, stop and remove the viewer as a service of this machine"}
	tree.Commands = append(tree.Commands, serviceInstallCommand.With(serviceInstall))
	for _, a := range serviceActions {
		c := cli.Command{Name: a.name, Summary: a.summary, Usage: "[--json]"}
		tree.Commands = append(tree.Commands, c.With(func(_ context.Context, env cli.Env, args []string) error {
			return serviceAction(env, c, args, a.done, a.do)
		}))
	}
	tree.Commands = append(tree.Commands, serviceStatusCommand.With(serviceStatus), serviceUnitCommand.With(serviceUnit), serviceUninstallCommand.With(serviceUninstall))
	return tree
}

// Packaged is the service as a package of the operating system brings it along.
func Packaged() service.Config {
	c := serviceConfig
	c.Executable = "/usr/bin/vitrine"
	return c
}

// parseRights parses the options that say what the service may do.
func parseRights(flags *cli.FlagSet, args []string) (service.Config, error) {
	name := flags.String("user", serviceConfig.User, "`user` who runs it: root, or one that is made for it")
	screen := flags.Bool("screen", false, "it also runs the browser and switches the display")
	setClock := flags.Bool("set-clock", false, "it also sets the system's clock")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return service.Config{}, err
	}
	if *name == "" || strings.ContainsAny(*name, " \t\n/:%\"'\\") || (*name)[0] == '-' {
		return service.Config{}, cli.Usagef("--user %q: want the name of a user, such as vitrine", *name)
	}
	config, err := thisProgram()
	config.User, config.Screen, config.Clock = *name, *screen, *setClock
	return config, err
}

func serviceUnit(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine service unit", serviceUnitCommand)
	program := flags.String("program", "", "`path` of the program there (default: that of this one)")
	config, err := parseRights(flags, args)
	if err != nil {
		return err
	}
	config.Executable = first(*program, config.Executable)
	_, err = fmt.Fprint(env.Stdout, service.Unit(config))
	return err
}

func serviceInstall(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine service install", serviceInstallCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	config, err := parseRights(flags, args)
	if err != nil {
		return err
	}
	// A mistake in the settings is better known now than from a service that doesn't come up.
	if _, err := readConfig(""); err != nil && !errors.Is(err, os.ErrPermission) {
		return err
	}
	if err := service.Install(config); err != nil {
		return err
	}
	if service.Packaged(config) {
		return serviceDone(env, *asJSON, "install", "installed, with a unit that comes before the package's; `vitrine service restart` has it count")
	}
	return serviceDone(env, *asJSON, "install", "installed; start it with `vitrine service start`")
}

func serviceAction(env cli.Env, c cli.Command, args []string, done string, do func(service.Config) error) error {
	flags := cli.Flags(env, "vitrine service "+c.Name, c)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	config, err := thisProgram()
	if err != nil {
		return err
	}
	if err := do(config); err != nil {
		return err
	}
	return serviceDone(env, *asJSON, c.Name, done)
}

func serviceDone(env cli.Env, asJSON bool, action, done string) error {
	if asJSON {
		return cli.WriteJSON(env.Stdout, map[string]string{"service": serviceConfig.Name, "done": action})
	}
	_, err := fmt.Fprintf(env.Stdout, "The service %s is %s.\n", serviceConfig.Name, done)
	return err
}

func serviceStatus(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine service status", serviceStatusCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	config, err := thisProgram()
	if err != nil {
		return err
	}
	state, err := service.Status(config)
	if err != nil {
		return err
	}
	if *asJSON {
		err = cli.WriteJSON(env.Stdout, map[string]string{"service": config.Name, "state": string(state)})
	} else {
		_, err = fmt.Fprintf(env.Stdout, "The service %s is %s.\n", config.Name, state)
	}
	if err != nil {
		return err
	}
	return serviceExit(state)
}

// serviceExit gives scripts the exit code by which systemctl and init scripts say the same (LSB Core, "Init Script Actions").
func serviceExit(state service.State) error {
	switch state {
	case service.Running:
		return nil
	case service.NotInstalled:
		return cli.Code(4)
	}
	return cli.Code(3)
}

func serviceUninstall(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine service uninstall", serviceUninstallCommand)
	asJSON := flags.Bool("json", false, "print JSON")
	purge := flags.Bool("purge", false, "remove settings, identity and content as well")
	yes := flags.Bool("yes", false, "don't ask before that")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	config, err := thisProgram()
	if err != nil {
		return err
	}
	if *yes && !*purge {
		return cli.Usagef("--yes goes with --purge")
	}
	if *purge && service.Packaged(config) {
		return fmt.Errorf("the service %s is of a package: what installed that removes it with its data, such as `apt purge %s`", config.Name, config.Name)
	}
	if *purge && !*yes {
		if err := confirm(env, fmt.Sprintf("Remove %s and %s, with identity and content, for good?", config.State, config.Settings)); err != nil {
			return err
		}
	}
	// With --purge what is left of an earlier removal is to go, too.
	if state, err := service.Status(config); err != nil || state != service.NotInstalled || !*purge {
		if err := service.Uninstall(config); err != nil {
			return err
		}
	}
	if service.Packaged(config) {
		return serviceDone(env, *asJSON, "uninstall", "as the package has it again")
	}
	done := "uninstalled; its data are in " + config.State + ", and the settings in " + config.Settings
	if *purge {
		if err := service.Purge(config); err != nil {
			return err
		}
		done = "uninstalled, and its data are removed"
	}
	return serviceDone(env, *asJSON, "uninstall", done)
}

// confirm asks a person on a terminal; without one it can't be asked.
func confirm(env cli.Env, question string) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return cli.Usagef("this asks before it removes data, and here is nobody to ask: add --yes")
	}
	fmt.Fprint(env.Stderr, question+" [y/N] ")
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "y") {
		return errors.New("nothing was removed")
	}
	return nil
}

// thisProgram is the service's configuration with the program that is running now, and the state folder of its settings. Settings that can't be
// read mean the usual folder.
func thisProgram() (service.Config, error) {
	c := serviceConfig
	if settings, err := readConfig(""); err == nil && settings.State != "" {
		c.State = settings.State
	}
	var err error
	c.Executable, err = os.Executable()
	return c, err
}
