package vitrineserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

var (
	viewersListCommand = cli.Command{
		Name:    "list",
		Summary: "list the site's viewers and what they are doing",
		Usage:   "[--json]",
		Help:    "Without a running server it lists who has been enrolled.",
	}
	viewersRevokeCommand = cli.Command{
		Name:    "revoke",
		Summary: "turn a viewer out, for good: it keeps what it plays, and gets nothing new",
		Usage:   "VIEWER [--json]",
		Help:    "VIEWER is a name or an id. Its session ends at once. To take it back, enrol it with a new token.",
	}
	viewersLinkCommand = cli.Command{
		Name:    "link",
		Summary: "make a link by which a browser is a viewer, such as a smart TV's",
		Usage:   "NAME [--host HOST] [--json]",
		Help: `The server must be run with --view. Whoever has the link sees the programme: it is printed once, and the server keeps
a hash of its key only. A second link for the same name ends the first. "vitrine-server viewers revoke NAME" ends it for
good, and the pages that are open by it at once.`,
	}
	viewersEventsCommand = cli.Command{
		Name:    "events",
		Summary: "print what a viewer has said that happened to it",
		Usage:   "VIEWER [--lines N] [--json]",
		Help:    "VIEWER is a name or an id. The server keeps the last thousand of each.",
	}
	viewersApproveCommand = cli.Command{
		Name:    "approve",
		Summary: "take in a viewer that waits for approval, if its screen shows the same code",
		Usage:   "CODE|NAME [--name NAME] [--as VIEWER] [--json]",
		Help: `"vitrine-server viewers list" shows who waits, with the code. Compare it with the one on the viewer's screen: if
they differ, somebody sits between viewer and server.`,
	}
	viewersRejectCommand = cli.Command{
		Name:    "reject",
		Summary: "turn down a viewer that waits for approval",
		Usage:   "CODE|NAME [--json]",
		Help:    "It may ask again after an hour.",
	}
	viewersRenameCommand = cli.Command{
		Name:    "rename",
		Summary: "give a viewer another name",
		Usage:   "VIEWER NAME [--json]",
		Help:    "VIEWER is a name or an id. The viewer learns its name when its certificate is renewed.",
	}
)

func viewersTree() cli.Command {
	tree := cli.Command{
		Name:    "viewers",
		Summary: "list the viewers, take one in or turn it out, and have one do something",
		Commands: []cli.Command{
			viewersListCommand.With(viewersList),
			viewersApproveCommand.With(viewersApprove),
			viewersRejectCommand.With(viewersReject),
			viewersRenameCommand.With(viewersRename),
			viewersRevokeCommand.With(viewersRevoke),
			viewersEventsCommand.With(viewersEvents),
			viewersWakeCommand.With(viewersWake),
			viewersScreenshotCommand.With(viewersScreenshot),
			viewersLinkCommand.With(viewersLink),
			viewersDoctorCommand.With(viewersDoctor),
		},
	}
	for _, o := range orders {
		tree.Commands = append(tree.Commands, o.command().With(o.run))
	}
	return tree
}

func viewersList(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers list", viewersListCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	viewers, running, err := listViewers(ctx, *state)
	if err != nil {
		return err
	}
	if waiting, err := waitingViewers(*state); err != nil {
		return err
	} else if viewers = append(waiting, viewers...); *asJSON {
		return cli.WriteJSON(env.Stdout, viewers)
	}
	rows := [][]string{{"NAME", "STATE", "PLAYING", "CLOCK", "VERSION", "ID"}}
	for _, v := range viewers {
		rows = append(rows, viewerRow(v, running))
	}
	if err := cli.Table(env.Stdout, rows); err != nil {
		return err
	}
	for _, v := range viewers {
		if v.Fault != nil {
			fmt.Fprintf(env.Stdout, "FAULT: %s (since %s)\n", v.Fault.Message, v.Fault.Since.Local().Format(time.DateTime))
		}
	}
	return nil
}

// listViewers asks the running server, or reads the folder if there is none.
func listViewers(ctx context.Context, state string) (viewers []server.ViewerStatus, running bool, err error) {
	site, err := existingSite(state)
	if err != nil {
		return nil, false, err
	}
	viewers, err = server.NewControl(state).Viewers(ctx)
	if !errors.Is(err, server.ErrNotRunning) {
		return viewers, true, err
	}
	enrolled, err := site.Viewers()
	viewers = []server.ViewerStatus{}
	for _, v := range enrolled {
		viewers = append(viewers, server.ViewerStatus{Viewer: v})
	}
	return viewers, false, err
}

// waitingViewers lists who waits for approval.
func waitingViewers(state string) ([]server.ViewerStatus, error) {
	site, err := existingSite(state)
	if err != nil {
		return nil, err
	}
	pairings, err := site.Waiting()
	var list []server.ViewerStatus
	for _, p := range pairings {
		list = append(list, server.ViewerStatus{Viewer: server.Viewer{Name: p.Name, Device: p.Device}, Code: p.Code, Since: p.Since})
	}
	return list, err
}

func viewerRow(v server.ViewerStatus, running bool) []string {
	state := "offline"
	switch {
	case v.Code != "":
		state = "waits for approval, code " + v.Code
	case !v.Revoked.IsZero():
		state = "revoked on " + v.Revoked.Local().Format(time.DateOnly)
	case !running:
		state = "unknown (no server is running)"
	case v.Pages > 1:
		state = fmt.Sprintf("online, %d pages of a browser", v.Pages)
	case v.Pages == 1:
		state = "online, a browser"
	case v.Online:
		state = "online"
	case v.Browser() && v.Heard.IsZero():
		state = "offline, a browser"
	case !v.Heard.IsZero():
		state = "offline since " + v.Heard.Local().Format(time.DateTime)
	}
	playing := ""
	if s := v.Reported.Standby; s != nil && s.Active {
		playing = "standby, display " + cmp.Or(v.Reported.Display.State, "unknown") + whose(*s)
	}
	if len(v.Reported.Playing) > 0 {
		playing = v.Reported.Playing[0].Name
		if !v.Reported.Playing[0].Shown {
			playing += " (no browser shows it)"
		}
	}
	version := v.Reported.Version
	if u := v.Reported.Update; u != nil && u.State != "" && u.State != protocol.UpdateKept {
		version += fmt.Sprintf(" (%s: %s)", cmp.Or(u.Version, u.Release.Short()), u.State)
	}
	return []string{v.Name, state, playing, v.Reported.Clock.Trust, version, v.ID}
}

// viewersRevoke asks the running server, so that the session ends, or changes the folder if there is none.
func viewersRevoke(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers revoke", viewersRevokeCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	v, err := server.NewControl(*state).Revoke(ctx, rest[0])
	if errors.Is(err, server.ErrNotRunning) {
		v, err = site.Revoke(rest[0])
	}
	return printViewer(env, v, err, *asJSON, "revoked")
}

// viewersApprove changes the site's folder, which the running server reads when the viewer asks again.
func viewersApprove(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers approve", viewersApproveCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	name := flags.String("name", "", "`name` for it (default: the one that it would like)")
	as := flags.String("as", "", "`viewer` of the site whose place it takes, with its name: for a machine that was replaced, or one that was revoked")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *name != "" && *as != "" {
		return cli.Usagef("--name and --as don't go together: with --as it has the name of the other")
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	v, err := site.Approve(rest[0], *name, *as)
	return printViewer(env, v, err, *asJSON, "approved")
}

func viewersReject(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers reject", viewersRejectCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	p, err := site.Reject(rest[0])
	return printViewer(env, server.Viewer{Name: p.Name, Device: p.Device}, err, *asJSON, "rejected")
}

func viewersRename(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers rename", viewersRenameCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	rest, err := flags.Parse(args, 2, 2)
	if err != nil {
		return err
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	v, err := server.NewControl(*state).Rename(ctx, rest[0], rest[1])
	if errors.Is(err, server.ErrNotRunning) {
		v, err = site.Rename(rest[0], rest[1])
	}
	return printViewer(env, v, err, *asJSON, "is its name now")
}

// viewersLink asks the running server, which knows where browsers reach it.
func viewersLink(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers link", viewersLinkCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	host := flags.String("host", "", "`name` or address of the server in the link (default: its certificate's name, or its first address)")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if strings.ContainsAny(*host, "/ ") {
		return cli.Usagef("--host %.100q: want a name or an address alone", *host)
	}
	if _, err := existingSite(*state); err != nil {
		return err
	}
	made, err := server.NewControl(*state).Link(ctx, rest[0], *host)
	if errors.Is(err, server.ErrNotRunning) {
		return fmt.Errorf("no server is running on %s; a link needs one, run with --view", *state)
	}
	if err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, made)
	}
	if made.CA != "" {
		fmt.Fprintln(env.Stderr, "The certificate is of the site's own CA, which a browser must be taught: the server's first page says how. SHA-256:\n  "+made.CA)
	}
	if made.Plain {
		fmt.Fprintln(env.Stderr, "The link is not protected by TLS, and without TLS a browser plays nothing that isn't open already when the server is gone.")
	}
	_, err = fmt.Fprintln(env.Stdout, made.Link)
	return err
}

func viewersEvents(_ context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server viewers events", viewersEventsCommand)
	state := stateFlag(flags)
	asJSON := flags.Bool("json", false, "print JSON")
	lines := flags.Int("lines", 50, "`number` of events, the last ones")
	rest, err := flags.Parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *lines < 1 {
		return cli.Usagef("--lines %d: want at least 1", *lines)
	}
	site, err := existingSite(*state)
	if err != nil {
		return err
	}
	events, err := site.Events(rest[0], *lines)
	if err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, events)
	}
	for _, e := range events {
		fmt.Fprintf(env.Stdout, "%s  %-12s %s\n", e.At.Local().Format(time.DateTime), e.Name, e.Message)
	}
	return nil
}

func printViewer(env cli.Env, v server.Viewer, err error, asJSON bool, what string) error {
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(env.Stdout, v)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s: %s\n", v.Name, what)
	return err
}

// whose says why a viewer is on standby if it isn't for the hours of its programme.
func whose(s protocol.StandbyStatus) string {
	switch {
	case s.Why == protocol.StandbyAsked:
		return " (" + s.By + " wants it)"
	case s.By != "":
		return " (hours of " + s.By + ")"
	}
	return ""
}
