package vitrine

import (
	"context"
	"fmt"
	"os"

	"vitrine/agent/cli"
	"vitrine/platform/service"
)

// serviceConfig is how the operating system knows the viewer.
var serviceConfig = service.Config{
	Name:        "vitrine",
	DisplayName: "Vitrine viewer",
	Description: "Vitrine viewer agent for digital signage",
	Args:        []string{"run"},
}

// serviceActions are the subcommands of `vitrine service`, in the order of their use.
var serviceActions = []struct {
	name, summary, done string
	do                  func(service.Config) error
}{
	{"install", "make the viewer a service that starts with the machine", "installed; start it with `vitrine service start`", service.Install},
	{"start", "start the service", "started", service.Start},
	{"stop", "stop the service", "stopped", service.Stop},
	{"uninstall", "remove the service; identity and content stay", "uninstalled", service.Uninstall},
}

func serviceTree() cli.Command {
	tree := cli.Command{Name: "service", Summary: "install, start, stop and remove the viewer as a service of this machine"}
	for _, a := range serviceActions {
		c := cli.Command{Name: a.name, Summary: a.summary, Usage: "[--json]"}
		tree.Commands = append(tree.Commands, c.With(func(_ context.Context, env cli.Env, args []string) error {
			return serviceAction(env, c, args, a.done, a.do)
		}))
	}
	tree.Commands = append(tree.Commands, serviceStatusCommand.With(serviceStatus))
	return tree
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
	if *asJSON {
		return cli.WriteJSON(env.Stdout, map[string]string{"service": config.Name, "done": c.Name})
	}
	_, err = fmt.Fprintf(env.Stdout, "The service %s is %s.\n", config.Name, done)
	return err
}

var serviceStatusCommand = cli.Command{
	Name:    "status",
	Summary: "say whether the service is installed and running",
	Usage:   "[--json]",
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
		return cli.WriteJSON(env.Stdout, map[string]string{"service": config.Name, "state": string(state)})
	}
	_, err = fmt.Fprintf(env.Stdout, "The service %s is %s.\n", config.Name, state)
	return err
}

// thisProgram is the service's configuration with the program that is running now.
func thisProgram() (service.Config, error) {
	c := serviceConfig
	var err error
	c.Executable, err = os.Executable()
	return c, err
}
