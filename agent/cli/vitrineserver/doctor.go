package vitrineserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"vitrine/agent/cli"
	"vitrine/agent/doctor"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

var viewersDoctorCommand = cli.Command{
	Name:    protocol.CommandDoctor,
	Summary: "have a viewer examine itself and its machine, and say what to do",
	Usage:   "VIEWER [--bundle FILE] [--json]",
	Help: `VIEWER is a name or an id. The exit code is 1 if anything fails.

--bundle writes an archive for support as well, which the viewer sends: what was found, status, figures, log,
settings and versions, without tokens, passwords and keys.`,
}

func viewersDoctor(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers doctor", viewersDoctorCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	bundle := flags.String("bundle", "", "`file` for an archive for support, such as support.tar.gz")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	data, err := json.Marshal(map[string]bool{"bundle": *bundle != ""})
	if err != nil {
		return err
	}
	result, err := server.NewControl(*state).Command(ctx, rest[0], protocol.CommandDoctor, data)
	switch {
	case errors.Is(err, server.ErrNotRunning):
		return fmt.Errorf("no server is running on %s; a command needs one", *state)
	case err != nil:
		return err
	case result.State == protocol.ResultFailed:
		return fmt.Errorf("viewer %s: %s", rest[0], result.Error)
	}
	var report doctor.Report
	if err := json.Unmarshal(result.Data, &report); err != nil {
		return fmt.Errorf("viewer %s: its report can't be read: %w", rest[0], err)
	}
	if *bundle != "" {
		archive, err := site.Upload(rest[0], protocol.SupportBundle, report.Bundle)
		if err != nil {
			return err
		}
		if err := os.WriteFile(*bundle, archive, 0o600); err != nil {
			return err
		}
	}
	return cli.PrintReport(env, report, *asJSON)
}
