package vitrine

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/kiosk"
	"vitrine/agent/protocol"
	"vitrine/agent/provision"
	"vitrine/platform/notify"
	"vitrine/platform/proxy"
	"vitrine/platform/service"
)

// defaultConfig is where `vitrine run` looks for its file if it isn't told.
var defaultConfig = filepath.Join(serviceSettings, "vitrine.toml")

var runCommand = cli.Command{
	Name:    "run",
	Summary: "play: find the server, fetch the programme, show it on the local page",
	Usage:   "[OPTIONS]",
	Help: `What is on disk plays at once, with or without a server. Settings come from the file that
--config names (` + defaultConfig + ` if it exists); those that came on a USB stick come
before it, and options given here before both. A proxy that none of them names is taken from
the environment: HTTPS_PROXY and NO_PROXY.`,
}

// runOptions are the options of `vitrine run`.
type runOptions struct {
	config, name, state, token, tokenFile, page, location, browser string
	servers, wakePorts                                             cli.List
	log                                                            cli.LogOptions
	// releaseKey is whose releases are believed if the settings name nobody; nil for nobody.
	releaseKey ed25519.PublicKey
	// browsers has the browser, which outlives an agent that starts anew.
	browsers *kiosk.Keeper
	// logAsked tells that the level of the log was given, and terminal that somebody sees it.
	logAsked, terminal bool
}

func run(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine run", runCommand)
	var o runOptions
	flags.StringVar(&o.config, "config", "", "settings `file`")
	flags.StringVar(&o.name, "name", "", "`name` that this viewer would like to have (default: the machine's)")
	flags.StringVar(&o.state, "state", "", "`folder` for identity and content (default "+defaultState()+")")
	flags.StringVar(&o.token, "token", "", "join `token`; others on this machine can see it, so prefer --token-file")
	flags.StringVar(&o.tokenFile, "token-file", "", "`file` with the join token")
	flags.StringVar(&o.page, "page", "", "loopback `address` of the player page (default 127.0.0.1:7238)")
	flags.Var(&o.servers, "server", "`address` of a server to try before those that are found; may be repeated")
	flags.StringVar(&o.location, "location", "", "`place` where this viewer is, such as building-a/floor-2: servers there are preferred")
	flags.StringVar(&o.browser, "browser", "", "`browser` to keep on the screen: auto, a kind such as chromium, a path, or none (default: auto in a service with a display, else none)")
	flags.Var(&o.wakePorts, "wake-ports", "UDP `ports` for magic packets (default 7,9)")
	o.log.Register(flags)
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	o.logAsked = flags.Lookup("log").Value.String() != flags.Lookup("log").DefValue
	o.terminal = env.Terminal
	env.Stderr = service.Output(serviceConfig, env.Stderr)
	console := cli.NewConsole(env.Stderr, env.Terminal)
	log, err := o.log.New(env, console)
	if err != nil {
		return err
	}
	o.launch(env, log)
	if o.releaseKey, err = builtInKey(env.ReleaseKey); err != nil {
		log.Error("The key of the vendor that was built into this program can't be used", "err", err)
	}
	return service.Run(ctx, serviceConfig, func(ctx context.Context) error {
		o.browsers = kiosk.NewKeeper(ctx)
		defer o.browsers.Close()
		for {
			err := o.run(ctx, env, console)
			if !errors.Is(err, errStartAnew) {
				return err
			}
		}
	})
}

// run plays with the settings as they are now.
func (o runOptions) run(ctx context.Context, env cli.Env, console *cli.Console) error {
	settings, from, err := o.atStart()
	if err != nil {
		return err
	}
	if settings.Log != "" && !o.logAsked {
		o.log.Level = settings.Log
	}
	if settings.Zone != nil {
		time.Local = settings.Zone
	}
	if from.log, from.level, err = o.log.NewLevel(env, console); err != nil {
		return err
	}
	return o.play(ctx, env, settings, from, newProgress(console, from.log))
}

// settings are the file's, with those that came on a USB stick over them, and the options over both.
func (o runOptions) settings() (_ config.Config, damage, err error) {
	data, path, err := readFile(o.config)
	if err != nil {
		return config.Config{}, nil, err
	}
	return o.settingsOf(data, path)
}

func (o runOptions) settingsOf(data []byte, path string) (_ config.Config, damage, err error) {
	c, err := config.Parse(data)
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", path, err)
	}
	c, damage, err = provision.Settings(data, first(o.state, c.State, defaultState()))
	if err == nil {
		c, err = o.over(c)
	}
	return c, damage, err
}

// over puts the options over the settings.
func (o runOptions) over(c config.Config) (_ config.Config, err error) {
	if o.tokenFile != "" {
		data, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return c, fmt.Errorf("--token-file: %w", err)
		}
		o.token = string(data)
	}
	if o.token != "" {
		token, err := protocol.ParseJoinToken(o.token)
		if err != nil {
			return c, err
		}
		c.Token = &token
	}
	if o.name != "" {
		if err := protocol.CheckName(o.name); err != nil {
			return c, err
		}
		c.Name = o.name
	}
	if o.location != "" {
		if c.Location, err = protocol.ParseLocation(o.location); err != nil {
			return c, err
		}
	}
	if len(o.servers) > 0 {
		c.Servers = nil
	}
	for _, s := range o.servers {
		addr, err := config.ServerAddress(s)
		if err != nil {
			return c, err
		}
		c.Servers = append(c.Servers, addr)
	}
	if len(o.wakePorts) > 0 {
		if c.Wake.Ports, err = parsePorts(o.wakePorts); err != nil {
			return c, err
		}
	}
	if c.Network, err = orEnvironment(c.Network); err != nil {
		return c, err
	}
	if len(c.Update.Keys) == 0 && o.releaseKey != nil {
		c.Update.Keys = []ed25519.PublicKey{o.releaseKey}
	}
	c.Kiosk = browserOf(o.browser, c.Kiosk)
	c.State = first(o.state, c.State, defaultState())
	c.Page = first(o.page, c.Page, defaultPage())
	return c, nil
}

// browserOf completes which browser is run. Unless somebody has said, one is run where this is a service with a display, which is what a device behind a
// screen has; whoever tries the program in a terminal gets no window that fills the screen unasked.
func browserOf(option string, k config.Kiosk) config.Kiosk {
	if option != "" {
		k.Browser, k.Command = option, nil
	}
	if k.Browser != "" || len(k.Command) > 0 {
		return k
	}
	k.Browser = config.BrowserNone
	if service.Restarts() && hasDisplay(k.Environment) {
		k.Browser = config.BrowserAuto
	}
	return k
}

// hasDisplay tells whether the environment, or what is added to it for the browser, names a display, or this is the service with a screen of its own, which
// has its displays in its own folder.
func hasDisplay(added []string) bool {
	if own := os.Getenv("RUNTIME_DIRECTORY"); own != "" && os.Getenv("XDG_RUNTIME_DIR") == own {
		return true
	}
	for _, setting := range append(os.Environ(), added...) {
		if name, value, _ := strings.Cut(setting, "="); value != "" && (name == "WAYLAND_DISPLAY" || name == "DISPLAY") {
			return true
		}
	}
	return false
}

// orEnvironment takes what the file doesn't say about proxies from the environment: NO_PROXY belongs to HTTPS_PROXY, and not to a
// proxy of the file.
func orEnvironment(n config.Network) (config.Network, error) {
	url, exempt := proxy.Environment(os.Getenv)
	if n.Proxy.Reveal() != "" || url == "" {
		return n, nil
	}
	if err := proxy.Check(url); err != nil {
		return n, fmt.Errorf("environment variable HTTPS_PROXY: %w", err)
	}
	n.Proxy = protocol.NewSecret(url)
	if len(n.NoProxy) == 0 {
		n.NoProxy = exempt
	}
	return n, nil
}

// readConfig reads the settings file; without a name, the usual one if it exists.
func readConfig(path string) (config.Config, error) {
	data, path, err := readFile(path)
	if err != nil {
		return config.Config{}, err
	}
	c, err := config.Parse(data)
	if err != nil {
		return config.Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// readFile gives the bytes of the settings file and its name.
func readFile(path string) ([]byte, string, error) {
	asked := path != ""
	if !asked {
		path = defaultConfig
	}
	data, err := os.ReadFile(path)
	if !asked && errors.Is(err, fs.ErrNotExist) {
		return nil, path, nil
	}
	if err != nil {
		return nil, path, fmt.Errorf("settings: %w", err)
	}
	return data, path, nil
}

func parsePorts(list cli.List) ([]uint16, error) {
	var ports []uint16
	for _, s := range list {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n == 0 {
			return nil, cli.Usagef("port %.20q: want 1 to 65535", s)
		}
		ports = append(ports, uint16(n))
	}
	return ports, nil
}

// defaultState is the folder for a service's state, or, for somebody who just tries the program, one of their own.
func defaultState() string {
	if dir := os.Getenv("STATE_DIRECTORY"); dir != "" {
		return dir
	}
	if service.Privileged() {
		return serviceState
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "vitrine-state"
	}
	return filepath.Join(filepath.Dir(dir), ".local", "state", "vitrine")
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// agentConfig is what the settings say, from a file if there is one.
func agentConfig(c config.Config, file string) agent.Config {
	return agent.Config{
		File: file,
		Name: c.Name, State: c.State, Token: c.Token, Servers: c.Servers, Page: c.Page, Screen: c.Screen, Wake: c.Wake,
		Location: c.Location, Labels: c.Labels, Zone: c.Zone, Operating: c.Operating, Sticks: c.Sticks, Discovery: c.Discovery, Session: c.Session, Network: c.Network, Content: c.Content, Clock: c.Clock,
		Kiosk: c.Kiosk, Health: agent.HealthOf(c.Health),
		Display: c.Display, Standby: c.Standby, Reboot: c.Reboot, Update: c.Update,
	}
}

// play runs the agent, and tells the service manager when the page can be opened.
func (o runOptions) play(ctx context.Context, env cli.Env, c config.Config, from source, p *progress) error {
	log := from.log
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var restart func()
	if service.Restarts() {
		restart = func() { stop(errRestart) }
	}
	settings := agentConfig(c, from.file)
	settings.Restart, settings.Watched, settings.StartAnew = restart, service.Watched(), func() { stop(errStartAnew) }
	settings.Scratch, settings.Browsers = os.Getenv("RUNTIME_DIRECTORY"), o.browsers
	settings.Alive, settings.AliveEvery = watchdog(log)
	settings.Version, settings.Build, settings.Progress, settings.Log = env.Version, env.Build, p.update, log
	settings.Executable = ownPath()
	a, err := agent.New(settings)
	if err != nil {
		return err
	}
	o.keepGood(c, from)
	a.Lacking(errors.Join(from.mistake, from.damage))
	ctx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() { o.follow(ctx, a, from) })
	helpers.Go(func() {
		select {
		case <-a.Ready():
			if err := notify.Ready(os.Getenv("NOTIFY_SOCKET")); err != nil {
				log.Warn("The service manager can't be told that the viewer is ready", "err", err)
			}
		case <-ctx.Done():
		}
	})
	err = a.Run(ctx)
	cancel()
	helpers.Wait()
	p.clear()
	if cause := context.Cause(ctx); err == nil && errors.Is(cause, errStartAnew) {
		log.Info("The viewer starts anew with other settings")
		return cause
	}
	log.Info("Stopped; what is on disk plays again at the next start")
	if err == nil && errors.Is(context.Cause(ctx), errRestart) {
		return errRestart
	}
	return err
}

// errStartAnew ends the agent, but not the program.
var errStartAnew = errors.New("the viewer starts anew with other settings")

// errRestart ends the program with an error, on which every service manager starts it again.
var errRestart = errors.New("this viewer is to be started again")

// watchdog is how to feed that of systemd, and how often it wants that (sd_watchdog_enabled(3)); nil if there is none for this process.
func watchdog(log *slog.Logger) (alive func(), every time.Duration) {
	every = notify.WatchdogInterval(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid())
	if every == 0 {
		return nil, 0
	}
	return func() {
		if err := notify.Alive(os.Getenv("NOTIFY_SOCKET")); err != nil {
			log.Warn("The service manager can't be told that the viewer is well", "err", err)
		}
	}, every
}

// progress shows how far the fetch of a programme is: as a bar on a terminal, elsewhere as a line now and then.
type progress struct {
	console *cli.Console
	log     *slog.Logger
	wanted  string
	last    int
}

func newProgress(console *cli.Console, log *slog.Logger) *progress {
	return &progress{console: console, log: log, last: -1}
}

// barWidth is the bar's length in characters, so that the line fits 80 columns.
const barWidth = 30

// update is called by one goroutine at a time.
func (p *progress) update(s protocol.SyncStatus) {
	if wanted := s.Wanted.String(); wanted != p.wanted {
		p.wanted, p.last = wanted, -1
	}
	label := fmt.Sprintf("%d of %d files, %s of %s", s.FilesDone, s.Files, cli.Bytes(s.BytesDone), cli.Bytes(s.Bytes))
	label += pace(s)
	if s.FilesDone == s.Files {
		p.clear()
	} else {
		p.console.Status(cli.ProgressBar(s.BytesDone, s.Bytes, barWidth, label))
	}
	if p.console.Terminal() && s.FilesDone < s.Files {
		return
	}
	if step := p.step(s); s.Files > 0 && step != p.last {
		p.last = step
		p.log.Info("Fetching the programme", "files", fmt.Sprintf("%d/%d", s.FilesDone, s.Files), "bytes", fmt.Sprintf("%s/%s", cli.Bytes(s.BytesDone), cli.Bytes(s.Bytes)))
	}
}

// pace says how fast a fetch is, and how long it will take.
func pace(s protocol.SyncStatus) string {
	if s.Rate == 0 || s.FilesDone == s.Files {
		return ""
	}
	text := ", " + cli.Bytes(s.Rate) + "/s"
	if s.Left > 0 {
		text += ", " + (time.Duration(s.Left) * time.Second).String() + " left"
	}
	return text
}

// step is the quarter that the fetch is in, and 4 once the last file is in its place.
func (p *progress) step(s protocol.SyncStatus) int {
	if s.FilesDone == s.Files {
		return 4
	}
	return min(int(4*s.BytesDone/max(s.Bytes, 1)), 3)
}

func (p *progress) clear() { p.console.Status("") }
