package vitrine

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"vitrine/agent"
	"vitrine/agent/cli"
)

var contentExportCommand = cli.Command{
	Name:    "export",
	Summary: "write the programme that plays to a USB stick, or into a folder",
	Usage:   "[--json] [--state FOLDER] FOLDER",
	Help: `The stick brings it to viewers of the same site that have no network: they take it when it is put
in, if it is newer than what plays, and write their status back to it. What is on the stick already isn't
written again, and an earlier programme on it is replaced.`,
}

func contentExport(ctx context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentExportCommand)
	rest, err := flags.parse(args, 1, 1)
	if err != nil {
		return err
	}
	console := cli.NewConsole(env.Stderr, env.Terminal)
	done, err := agent.Export(ctx, flags.state, rest[0], func(files, allFiles int, bytes, allBytes int64) {
		console.Status(cli.ProgressBar(bytes, allBytes, barWidth, fmt.Sprintf("%d of %d files, %s of %s", files, allFiles, cli.Bytes(bytes), cli.Bytes(allBytes))))
	})
	console.Status("")
	if err != nil {
		return err
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, done)
	}
	_, err = fmt.Fprintf(env.Stdout, "Programme %s is on %s: %d files of %s were written, the rest was there.\n", done.ID, rest[0], done.Files, cli.Bytes(done.Bytes))
	return err
}

var contentImportCommand = cli.Command{
	Name:    "import",
	Summary: "play the programme on a USB stick, or in a folder, that `vitrine content export` wrote",
	Usage:   "[--json] [--state FOLDER] FOLDER",
	Help: `It must be of this viewer's site, and signed by it. It plays until the server has a later one. A stick
that is put in is taken by itself if its programme is newer than what plays; this takes an older one too.`,
}

func contentImport(ctx context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentImportCommand)
	rest, err := flags.parse(args, 1, 1)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(rest[0]) // the viewer has another working folder
	if err != nil {
		return err
	}
	var now struct {
		Playing string `json:"playing"`
	}
	err = flags.ask(ctx, agent.ControlRequest{Op: agent.OpImport, Name: dir}, &now)
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; the viewer goes on with it while the stick is there")
	}
	if err != nil {
		return err
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, now)
	}
	_, err = fmt.Fprintf(env.Stdout, "Programme %s plays.\n", now.Playing)
	return err
}
