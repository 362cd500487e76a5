package vitrine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
	"vitrine/platform/service"
)

func contentTree() cli.Command {
	return cli.Command{
		Name:    "content",
		Summary: "look at the programmes on this machine's disk, and look after them",
		Commands: []cli.Command{
			contentListCommand.With(contentList),
			contentVerifyCommand.With(contentVerify),
			contentGCCommand.With(contentGC),
			contentPinCommand.With(contentPin),
			contentRollbackCommand.With(contentRollback),
			contentExportCommand.With(contentExport),
			contentImportCommand.With(contentImport),
		},
	}
}

// contentFlags are what every command of the tree has.
type contentFlags struct {
	*cli.FlagSet
	config, state string
	asJSON        bool
}

func newContentFlags(env cli.Env, c cli.Command) *contentFlags {
	f := &contentFlags{FlagSet: cli.Flags(env, "vitrine content "+c.Name, c)}
	f.StringVar(&f.config, "config", "", "settings `file` of the viewer")
	f.StringVar(&f.state, "state", "", "`folder` with the viewer's state (default: the settings', or "+defaultState()+")")
	f.BoolVar(&f.asJSON, "json", false, "print JSON")
	return f
}

// parse parses the arguments, and completes the name of the state folder.
func (f *contentFlags) parse(args []string, least, most int) ([]string, error) {
	rest, err := f.Parse(args, least, most)
	if err != nil {
		return nil, err
	}
	c, err := readConfig(f.config)
	if err != nil {
		return nil, err
	}
	f.state = first(f.state, c.State, defaultState())
	return rest, nil
}

// ask has the viewer do an operation, or does it on its disk if it isn't running.
func (f *contentFlags) ask(ctx context.Context, r agent.ControlRequest, answer any) error {
	err := agent.AskControl(ctx, f.state, r, answer)
	if !errors.Is(err, agent.ErrNotRunning) {
		return err
	}
	a, err := agent.Offline(agent.Config{State: f.state})
	if err != nil {
		return err
	}
	data, err := a.Control(ctx, r)
	a.Close()
	// What root has written here belongs to the service, as the rest does.
	if err := errors.Join(err, service.GiveBack(f.state)); err != nil {
		return err
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, answer)
}

var contentListCommand = cli.Command{
	Name:    "list",
	Summary: "list what is on disk, and what keeps it there",
	Usage:   "[--json] [--state FOLDER]",
}

func contentList(_ context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentListCommand)
	if _, err := flags.parse(args, 0, 0); err != nil {
		return err
	}
	l, err := agent.ReadContent(flags.state)
	if err != nil {
		return err
	}
	v, err := l.Inventory()
	if err != nil {
		return err
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, v)
	}
	writeInventory(env.Stdout, v)
	return nil
}

func writeInventory(w io.Writer, v library.Inventory) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DIGEST\tSIZE\tUSE\tTYPE\tNAME")
	for _, i := range v.Items {
		use := strings.Join(i.Uses, ", ")
		switch {
		case use == "" && i.Size == 0:
			use = "on its way: " + cli.Bytes(i.Here)
		case use == "":
			use = "none since " + i.Needed.Local().Format(time.DateOnly)
		case i.Here == 0 && use == "wanted":
			use += ", not here yet"
		case i.Here == 0:
			use += ", MISSING"
		case i.Here != i.Size:
			use += ", " + cli.Bytes(i.Here) + " are here"
		}
		size := "?"
		if i.Size > 0 {
			size = cli.Bytes(i.Size)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Digest.Short(), size, use, i.Type, i.Name)
	}
	table.Flush()
	for _, g := range []struct {
		name string
		is   *store.Generation
	}{{"Current", v.Current}, {"Previous", v.Previous}} {
		if g.is != nil {
			fmt.Fprintf(w, "%s programme: %s, activated %s\n", g.name, g.is.Manifest.Short(), g.is.Activated.Local().Format(time.DateTime))
		}
	}
	fmt.Fprintf(w, "%d files take %s; %s of the disk's %s are free.\n", len(v.Items), cli.Bytes(v.Used), cli.Bytes(v.Free), cli.Bytes(v.Total))
}

var contentVerifyCommand = cli.Command{
	Name:    "verify",
	Summary: "read everything on disk again, and compare it with its hash",
	Usage:   "[--json] [--state FOLDER]",
	Help:    "What is damaged is set aside, and fetched again by a viewer that has a server. The exit code is 1 if anything is.",
}

func contentVerify(ctx context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentVerifyCommand)
	if _, err := flags.parse(args, 0, 0); err != nil {
		return err
	}
	var v library.Verification
	if err := flags.ask(ctx, agent.ControlRequest{Op: agent.OpVerify}, &v); err != nil {
		return err
	}
	if flags.asJSON {
		if err := cli.WriteJSON(env.Stdout, v); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(env.Stdout, "%d files of %s were read.\n", v.Files, cli.Bytes(v.Bytes))
	}
	if len(v.Bad)+len(v.Missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s", damage(v))
}

func damage(v library.Verification) string {
	var parts []string
	for _, p := range []struct {
		what string
		list []digest.Digest
	}{{"damaged", v.Bad}, {"missing", v.Missing}} {
		if len(p.list) == 0 {
			continue
		}
		var names []string
		for _, d := range p.list {
			names = append(names, d.Short())
		}
		parts = append(parts, fmt.Sprintf("%d %s: %s", len(names), p.what, strings.Join(names, " ")))
	}
	return strings.Join(parts, "; ") + "; a viewer that has a server fetches them again"
}

var contentGCCommand = cli.Command{
	Name:    "gc",
	Summary: "remove what neither the present programme needs, nor the one before, nor a pin",
	Usage:   "[--json] [--state FOLDER]",
	Help:    "It is done by itself when the room is needed, what wasn't needed for the longest time first.",
}

func contentGC(ctx context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentGCCommand)
	if _, err := flags.parse(args, 0, 0); err != nil {
		return err
	}
	var gone struct {
		Files int64 `json:"files"`
		Bytes int64 `json:"bytes"`
	}
	if err := flags.ask(ctx, agent.ControlRequest{Op: agent.OpGC}, &gone); err != nil {
		return err
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, gone)
	}
	_, err := fmt.Fprintf(env.Stdout, "%d files of %s were removed.\n", gone.Files, cli.Bytes(gone.Bytes))
	return err
}

var contentPinCommand = cli.Command{
	Name:    "pin",
	Summary: "keep a file, or a whole programme, on disk whatever plays",
	Usage:   "[--off] [--json] [--state FOLDER] NAME",
	Help:    "NAME is a file's name, a programme's id, or the first digits of either's digest, as `vitrine content list` shows them.\nA programme is pinned with all its files.",
}

func contentPin(ctx context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentPinCommand)
	off := flags.Bool("off", false, "take it back")
	rest, err := flags.parse(args, 1, 1)
	if err != nil {
		return err
	}
	r := agent.ControlRequest{Op: agent.OpPin, Name: rest[0]}
	done := "is pinned: it stays on disk until `vitrine content pin --off`"
	if *off {
		r.Op, done = agent.OpUnpin, "is pinned no more"
	}
	var item library.Item
	if err := flags.ask(ctx, r, &item); err != nil {
		return err
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, map[string]any{"digest": item.Digest, "name": item.Name, "pinned": !*off})
	}
	_, err = fmt.Fprintf(env.Stdout, "%s (%s) %s.\n", first(item.Name, "it"), item.Digest.Short(), done)
	return err
}

var contentRollbackCommand = cli.Command{
	Name:    "rollback",
	Summary: "play the programme before the present one, until the server has another",
	Usage:   "[--json] [--state FOLDER]",
}

func contentRollback(ctx context.Context, env cli.Env, args []string) error {
	flags := newContentFlags(env, contentRollbackCommand)
	if _, err := flags.parse(args, 0, 0); err != nil {
		return err
	}
	var back struct {
		Playing string `json:"playing"`
	}
	if err := flags.ask(ctx, agent.ControlRequest{Op: agent.OpRollback}, &back); err != nil {
		return err
	}
	if flags.asJSON {
		return cli.WriteJSON(env.Stdout, back)
	}
	_, err := fmt.Fprintf(env.Stdout, "Programme %s plays again.\n", back.Playing)
	return err
}
