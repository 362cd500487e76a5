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

var viewersScreenshotCommand = cli.Command{
	Name:    protocol.CommandScreenshot,
	Summary: "take a picture of what is on a viewer's screen",
	Usage:   "VIEWER [--output FILE] [--width PIXELS] [--quality N] [--json]",
	Help: `VIEWER is a name or an id. The picture is a JPEG, or a PNG if it was taken by a grim without JPEG. The server keeps the last twenty of each viewer in the folder
"screenshots" of its state. A viewer that runs no browser of its own says that it can't.`,
}

func viewersScreenshot(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers screenshot", viewersScreenshotCommand)
	state := stateFlag(flags)
	output := flags.String("output", "", "`file` for the picture (default: screenshot.jpg, or .png); - writes it to the standard output")
	width := flags.Int("width", 1280, "the most `pixels` that it is wide, 160 to 7680")
	quality := flags.Int("quality", 70, "quality, 1 to 100")
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	wanted, err := json.Marshal(map[string]int{"width": *width, "quality": *quality})
	if err != nil {
		return err
	}
	result, err := server.NewControl(*state).Command(ctx, rest[0], protocol.CommandScreenshot, wanted)
	if errors.Is(err, server.ErrNotRunning) {
		return fmt.Errorf("no server is running on %s; a command needs one", *state)
	}
	if err != nil {
		return err
	}
	if result.State == protocol.ResultFailed {
		return fmt.Errorf("viewer %s: %s", rest[0], result.Error)
	}
	var taken protocol.ScreenshotResult
	if err := json.Unmarshal(result.Data, &taken); err != nil {
		return fmt.Errorf("viewer %s: its answer can't be read: %w", rest[0], err)
	}
	picture, err := site.Upload(rest[0], protocol.Screenshot, taken.Screenshot)
	if err != nil {
		return err
	}
	if *output == "" {
		*output = "screenshot" + cli.PictureExtension(picture)
	}
	return cli.WritePicture(env, *output, picture, *asJSON)
}
