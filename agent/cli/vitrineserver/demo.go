package vitrineserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/server"
	"vitrine/agent/server/sample"
	"vitrine/platform/child"
)

var demoCommand = cli.Command{
	Name:    "demo",
	Summary: "run a server and a viewer on this machine, to see what Vitrine does",
	Usage:   "[--dir FOLDER] [--media FOLDER]",
	Help: `It starts "vitrine-server run" and the "vitrine run" beside it, as anybody would, and prints how.
Nothing needs root: the ports that would (123, 7 and 9) are 7123, 7007 and 7009 here.`,
}

// demoPorts are the ports that need privilege, moved.
const (
	demoNTP  = ":7123"
	demoWake = "7007,7009"
)

// demoSeconds is short: somebody is watching.
const demoSeconds = "6"

func demo(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server demo", demoCommand)
	dir := flags.String("dir", ".demo", "`folder` for everything that the demo keeps; a second start with it plays at once")
	media := flags.String("media", "", "`folder` with your own pictures and videos (default: a sample)")
	page := flags.String("page", "127.0.0.1:7238", "loopback `address` of the player page")
	listen := flags.String("listen", ":7237", "TCP `address` of the server")
	view := flags.String("view", "127.0.0.1:7280", "loopback `address` of the page for a second browser, which is a viewer by itself")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	d := demonstration{env: env, dir: *dir, media: *media, page: *page, listen: *listen, view: *view}
	if err := d.prepare(); err != nil {
		return err
	}
	return d.run(ctx)
}

// A demonstration is the two processes and what they need.
type demonstration struct {
	env                            cli.Env
	dir, media, page, listen, view string
	server, viewer                 string
}

// prepare finds the programs and writes the sample.
func (d *demonstration) prepare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d.server = self
	d.viewer = filepath.Join(filepath.Dir(self), "vitrine"+strings.TrimPrefix(filepath.Base(self), "vitrine-server"))
	if _, err := os.Stat(d.viewer); err != nil {
		return fmt.Errorf("the viewer must lie beside the server: %w; `make build` makes both", err)
	}
	if d.media != "" {
		return nil
	}
	d.media = filepath.Join(d.dir, "media")
	if _, err := os.Stat(d.media); err == nil {
		return nil
	}
	return os.CopyFS(d.media, sample.Files)
}

func (d *demonstration) serverArgs() []string {
	return []string{"run", "--state", filepath.Join(d.dir, "server"), "--media", d.media, "--site", "demo",
		"--listen", d.listen, "--ntp", demoNTP, "--seconds", demoSeconds, "--view-http", d.view, "--log-name", "server"}
}

func (d *demonstration) viewerArgs() []string {
	return []string{"run", "--state", filepath.Join(d.dir, "viewer"), "--token-file", d.tokenFile(), "--name", "Demo screen",
		"--page", d.page, "--wake-ports", demoWake, "--log-name", "viewer"}
}

func (d *demonstration) tokenFile() string { return filepath.Join(d.dir, "join-token") }

func (d *demonstration) run(ctx context.Context) error {
	d.say("Vitrine demo: a server and a viewer as two ordinary processes; Ctrl-C ends both.")
	d.say("Ports that need root are moved: NTP 123 to 7123, wake-up 7 and 9 to 7007 and 7009.")
	d.say("  %s %s", d.server, quoted(d.serverArgs()))
	d.say("  %s %s", d.viewer, quoted(d.viewerArgs()))
	d.say("Copy a picture into %s and watch the page. Kill either process and start it again as above.\n", d.media)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving := d.start(ctx, d.server, d.serverArgs())
	err := d.waitForServer(ctx, serving)
	if err == nil {
		err = d.showLink(ctx)
	}
	if err != nil {
		cancel()
		<-serving.ended
		return err
	}
	playing := d.start(ctx, d.viewer, d.viewerArgs())
	select {
	case <-serving.ended:
		d.tell(ctx, "The server", "the viewer plays on", serving)
	case <-playing.ended:
		d.tell(ctx, "The viewer", "what it has is kept", playing)
	}
	// Either may be started again by hand; the demo lasts until Ctrl-C or until both have ended.
	<-serving.ended
	<-playing.ended
	d.say("The demo's state is in %s; start it again and it plays at once.", d.dir)
	return nil
}

func (d *demonstration) say(format string, a ...any) { fmt.Fprintf(d.env.Stderr, format+"\n", a...) }

// tell says that a process ended by itself.
func (d *demonstration) tell(ctx context.Context, who, effect string, p *process) {
	if ctx.Err() == nil {
		d.say("%s ended (%v); %s. Start it again with the command above.", who, p.err, effect)
	}
}

// quoted writes arguments as a person would type them.
func quoted(args []string) string {
	var b strings.Builder
	for i, arg := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if strings.ContainsAny(arg, " '\"$") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		b.WriteString(arg)
	}
	return b.String()
}

// A process is one that runs; err may be read once ended is closed.
type process struct {
	ended chan struct{}
	err   error
}

// start runs a process until it or ctx ends.
func (d *demonstration) start(ctx context.Context, program string, args []string) *process {
	p := &process{ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		runtime.LockOSThread() // see child.Command
		defer runtime.UnlockOSThread()
		c := child.Command(ctx, program, args...)
		c.Stdout, c.Stderr = inherit(d.env.Stdout), inherit(d.env.Stderr)
		p.err = c.Run()
	}()
	return p
}

// inherit is w itself if it is a file, so that the child sees whether it is a terminal.
func inherit(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		return f
	}
	return w
}

// serverPoll is how often the demo looks whether the server is up.
const serverPoll = 50 * time.Millisecond

// waitForServer returns once the server answers, having made a join token if the viewer needs one.
func (d *demonstration) waitForServer(ctx context.Context, process *process) error {
	state := filepath.Join(d.dir, "server")
	control := server.NewControl(state)
	poll := time.NewTicker(serverPoll)
	defer poll.Stop()
	for {
		_, err := control.Viewers(ctx)
		if err == nil {
			return d.makeToken(state)
		}
		if !errors.Is(err, server.ErrNotRunning) {
			return err
		}
		select {
		case <-process.ended:
			return fmt.Errorf("the server did not start: %w", process.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
		}
	}
}

// makeToken makes a token for the viewer, unless it is enrolled already.
func (d *demonstration) makeToken(state string) error {
	if _, err := os.Stat(filepath.Join(d.dir, "viewer", "identity", "enrolment.json")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	site, _, err := server.OpenSite(state, "")
	if err != nil {
		return err
	}
	token, err := site.CreateToken(24*time.Hour, 1)
	if err != nil {
		return err
	}
	return os.WriteFile(d.tokenFile(), []byte(token.Reveal()+"\n"), 0o600)
}

// showLink says where a plain browser is a viewer. The link is made once: the server can't tell its key a second time.
func (d *demonstration) showLink(ctx context.Context) error {
	file := filepath.Join(d.dir, "browser-link")
	link, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		var made server.MadeLink
		if made, err = server.NewControl(filepath.Join(d.dir, "server")).Link(ctx, "Demo browser", ""); err != nil {
			return err
		}
		link = []byte(made.Link + "\n")
		err = os.WriteFile(file, link, 0o600)
	}
	if err != nil {
		return err
	}
	d.say("A viewer without an agent, in any browser of this machine: %s", strings.TrimSpace(string(link)))
	return nil
}
