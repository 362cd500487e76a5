package vitrineserver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vitrine/agent/cli"
	"vitrine/agent/server"
)

var viewersWakeCommand = cli.Command{
	Name:    "wake",
	Summary: "have a viewer leave standby, or wake its machine",
	Usage:   "VIEWER [--password PASSWORD] [--json]",
	Help: `VIEWER is a name or an id. One with a session is told to leave standby. For another, magic packets are sent
on the server's own networks; if the viewer isn't on one of them, awake viewers that are on its network
are asked to send them.`,
}

func viewersWake(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers wake", viewersWakeCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	password := flags.String("password", "", "SecureOn `password` of its network card, such as 01:02:03:04:05:06 or 1.2.3.4")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	done, err := server.NewControl(*state).Wake(ctx, rest[0], *password)
	if errors.Is(err, server.ErrNotRunning) {
		return fmt.Errorf("no server is running on %s; waking a viewer needs one", *state)
	}
	if err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, done)
	}
	if done.Online {
		fmt.Fprintf(env.Stdout, "%s: done; it is connected, and awake\n", done.Viewer)
		return nil
	}
	fmt.Fprintf(env.Stdout, "%s: magic packets were sent to %s\n", done.Viewer, strings.Join(done.Sent, ", "))
	for name, sent := range done.By {
		fmt.Fprintf(env.Stdout, "and by viewer %s to %s\n", name, strings.Join(sent, ", "))
	}
	for _, p := range done.Problems {
		fmt.Fprintf(env.Stdout, "not sent: %s\n", p)
	}
	return nil
}
