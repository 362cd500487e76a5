package vitrine

import (
	"context"
	"errors"
	"fmt"

	"vitrine/agent"
	"vitrine/agent/cli"
)

var screenshotCommand = cli.Command{
	Name:    "screenshot",
	Summary: "take a picture of what is on this machine's screen",
	Usage:   "[--json] [--page ADDRESS | --state FOLDER] [FILE]",
	Help: `Without FILE the picture is written to screenshot.jpg, and to the standard output if that is "-". The viewer asks the browser that it runs, or, if that can't, grim, which may make it a PNG; one that runs no browser of
its own says so.`,
}

func screenshot(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine screenshot", screenshotCommand)
	configFile := flags.String("config", "", "settings `file` of the viewer")
	state := flags.String("state", "", "`folder` with the viewer's state (default: the settings', or "+defaultState()+")")
	page := flags.String("page", "", "`address` of the running viewer's page, instead of its settings or folder")
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 0, 1)
	if err != nil {
		return err
	}
	if *page != "" && *configFile+*state != "" {
		return cli.Usagef("--page says which viewer is meant, and so do --config and --state: give one of them")
	}
	folder, err := stateFolder(ctx, *page, *configFile, *state)
	if err != nil {
		return err
	}
	var taken agent.Screenshot
	err = agent.AskControl(ctx, folder, agent.ControlRequest{Op: agent.OpScreenshot}, &taken)
	if errors.Is(err, agent.ErrNotRunning) {
		return fmt.Errorf("no viewer is running on %s; start it with `vitrine run` or `vitrine service start`", folder)
	}
	if err != nil {
		return err
	}
	return cli.WritePicture(env, first(append(rest, "screenshot"+cli.PictureExtension(taken.Picture))...), taken.Picture, *asJSON)
}

// stateFolder is that of the viewer whose page is at an address, or the one of settings.
func stateFolder(ctx context.Context, page, configFile, state string) (string, error) {
	if page == "" {
		c, err := readConfig(configFile)
		return first(state, c.State, defaultState()), err
	}
	s, err := readStatus(ctx, page)
	return s.State, err
}
