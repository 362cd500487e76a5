package vitrineserver

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/content/release"
)

var (
	updatePublishCommand = cli.Command{
		Name:    "publish",
		Summary: "have the site's viewers run a release of the viewer",
		Usage:   "[FOLDER] [--percent N] [--viewer NAME] [--label LABEL] [--json]",
		Help: `FOLDER is one that "vitrine-server release sign" has signed; without it, the last one is given to others. Which
viewers are within a percentage differs from release to release; a higher percentage keeps those that had it. If two
viewers have failed with it, and more than a tenth of those that have tried it, the server ends it by itself; publishing
again goes on. Viewers that have it keep it.`,
	}
	updateStatusCommand = cli.Command{
		Name:    "status",
		Summary: "say how far the viewers are with the release that was published, and which of them have failed and why",
		Usage:   "[--json]",
	}
	updateWithdrawCommand = cli.Command{
		Name:    "withdraw",
		Summary: "have no more viewers take the release; those that have it keep it",
		Usage:   "[--json]",
	}
)

func updateTree() cli.Command {
	return cli.Command{
		Name:    "update",
		Summary: "update the site's viewers, in stages",
		Commands: []cli.Command{
			updatePublishCommand.With(updatePublish), updateStatusCommand.With(updateStatus), updateWithdrawCommand.With(updateWithdraw),
		},
	}
}

func updatePublish(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server update publish", updatePublishCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	percent := flags.Float64("percent", 100, "`percent` of the viewers that get it")
	var viewers, labels cli.List
	flags.Var(&viewers, "viewer", "`name` or id of a viewer: only such ones get it; may be repeated")
	flags.Var(&labels, "label", "`label` of viewers: only such ones get it; may be repeated")
	rest, err := flags.Parse(args, 0, 1)
	if err != nil {
		return err
	}
	if !(*percent > 0 && *percent <= 100) {
		return cli.Usagef("--percent %v: want more than 0, and at most 100", *percent)
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	stage := server.Stage{Percent: *percent, Viewers: viewers, Labels: labels}
	if len(rest) == 0 {
		if _, err := site.ChangeUpdate(stage); err != nil {
			return err
		}
		return tellUpdate(ctx, env, site, *state, true, *asJSON)
	}
	if err := believable(env, rest[0]); err != nil {
		return err
	}
	if _, err := site.PublishUpdate(rest[0], stage); err != nil {
		return err
	}
	return tellUpdate(ctx, env, site, *state, true, *asJSON)
}

// believable checks a signature by the vendor's key, if that was built in. Else the viewers alone know it.
func believable(env cli.Env, folder string) error {
	if env.ReleaseKey == "" {
		return nil
	}
	key, err := release.ParseKey(env.ReleaseKey)
	if err != nil {
		return err
	}
	document, signature, _, err := server.ReadRelease(folder)
	if err != nil {
		return err
	}
	return release.Verify([]ed25519.PublicKey{key}, document, signature)
}

func updateWithdraw(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server update withdraw", updateWithdrawCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	if _, err := site.WithdrawUpdate(); err != nil {
		return err
	}
	return tellUpdate(ctx, env, site, *state, true, *asJSON)
}

func updateStatus(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server update status", updateStatusCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	return tellUpdate(ctx, env, site, *state, false, *asJSON)
}

// tellUpdate prints how far the viewers are, as the running server knows, which first takes what was changed. Without one it prints what is in the folder.
func tellUpdate(ctx context.Context, env cli.Env, site *server.Site, state string, changed, asJSON bool) error {
	s, err := server.NewControl(state).UpdateStatus(ctx, changed)
	running := !errors.Is(err, server.ErrNotRunning)
	if !running {
		s.Update, err = site.Update()
	}
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(env.Stdout, s)
	}
	fmt.Fprintf(env.Stdout, "Release %s (%s), made %s, good until %s\n", s.Version, s.Release.Digest.Short(), s.Made.Local().Format(time.DateTime), s.Expires.Local().Format(time.DateOnly))
	switch {
	case s.Withdrawn:
		fmt.Fprintln(env.Stdout, "WITHDRAWN: nobody else gets it")
	case s.Halted != "":
		fmt.Fprintln(env.Stdout, "HALTED: "+s.Halted)
	default:
		fmt.Fprintf(env.Stdout, "for %v %% of the viewers%s\n", s.Percent, among(s))
	}
	if !running {
		_, err := fmt.Fprintln(env.Stdout, "How far they are isn't known: no server is running.")
		return err
	}
	fmt.Fprintf(env.Stdout, "%d of %d viewers: %s\n", s.Chosen, s.Devices, counts(s))
	if len(s.Problems) == 0 {
		return nil
	}
	rows := [][]string{{"VIEWER", "STATE", "WHY"}}
	for _, p := range s.Problems {
		rows = append(rows, []string{p.Viewer, p.State, p.Error})
	}
	return cli.Table(env.Stdout, rows)
}

func among(s server.UpdateStatus) string {
	var text []string
	if len(s.Viewers) > 0 {
		text = append(text, "called "+strings.Join(s.Viewers, ", "))
	}
	if len(s.Labels) > 0 {
		text = append(text, "with the label "+strings.Join(s.Labels, ", "))
	}
	if len(text) == 0 {
		return ""
	}
	return " " + strings.Join(text, " or ")
}

func counts(s server.UpdateStatus) string {
	var text []string
	for _, state := range []string{
		protocol.UpdateKept, protocol.UpdateTrial, protocol.UpdateWaiting, protocol.UpdateFetching, protocol.UpdateFailed, protocol.UpdateRefused, "unknown",
	} {
		if n := s.Count[state]; n > 0 {
			text = append(text, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(text, ", ")
}
