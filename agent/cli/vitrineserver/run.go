package vitrineserver

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/remote"
	"vitrine/agent/server"
	"vitrine/agent/server/view"
)

const day = 24 * time.Hour

var runCommand = cli.Command{
	Name:    "run",
	Summary: "serve a site: announce it, take viewers in, and have them play a media folder",
	Usage:   "--media FOLDER [OPTIONS]",
	Help: `At the first start this makes the site's keys. Then make a join token for the viewers with
"vitrine-server token create". The pictures and videos of the media folder are the programme, in the
order of their names; what is copied into it is shown at once and then takes its place.`,
}

func run(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine-server run", runCommand)
	c := server.Config{}
	state := stateFlag(flags)
	flags.StringVar(&c.Site, "site", "", "`name` of the site, in lower-case letters, digits and hyphens (default: the one in the state folder)")
	flags.StringVar(&c.Media, "media", "", "`folder` with pictures and videos")
	flags.StringVar(&c.Name, "name", "", "`name` that people call this server (default: the machine's)")
	flags.StringVar(&c.Role, "role", protocol.RoleMain, "`role` of this server: main or backup")
	flags.IntVar(&c.Priority, "priority", 0, "`number` from 0 to 65535; viewers try servers of one role with the lowest first")
	location := flags.String("location", "", "`place` whose viewers prefer this server, such as building-a/floor-2")
	var probesFrom cli.List
	flags.Var(&probesFrom, "probes-from", "`network` behind a router whose probes are answered too, such as 10.2.0.0/16; may be repeated")
	var peers cli.List
	flags.Var(&peers, "peer", "other `server` of the site that viewers are told of, such as backup=10.0.0.6; may be repeated")
	life := flags.Int("certificate-days", 30, "`days` for which a viewer's certificate is valid; it is renewed after two thirds")
	grace := flags.Int("renewal-days", 90, "`days` after its expiry for which a viewer's certificate can still be renewed, as when it was in a cupboard")
	flags.StringVar(&c.Listen, "listen", net.JoinHostPort("", strconv.Itoa(protocol.SessionPort)), "TCP `address` for sessions and content")
	flags.StringVar(&c.NTP, "ntp", net.JoinHostPort("", strconv.Itoa(protocol.NTPPort)), "UDP `address` for the time service")
	flags.Float64Var(&c.Seconds, "seconds", 10, "`seconds` for which each picture is on")
	flags.StringVar(&c.Browsers.TLS, "view", "", "TCP `address` where browsers are viewers, over TLS, such as :443 (default: nowhere)")
	flags.StringVar(&c.Browsers.HTTP, "view-http", "", "TCP `address` without TLS, such as :80: it sends browsers to --view, and serves them itself if there is none")
	flags.BoolVar(&c.Browsers.Plain, "view-plain", false, "serve browsers on --view-http even with --view, for screens that can't be taught a CA")
	flags.Var((*cli.List)(&c.Browsers.Names), "view-name", "`name` under which browsers know this server, such as signage.example.org; may be repeated")
	flags.StringVar(&c.Browsers.CertFile, "view-cert", "", "`file` with the certificate chain for browsers, in PEM (default: one of the site's own CA)")
	flags.StringVar(&c.Browsers.KeyFile, "view-key", "", "`file` with its key, in PEM")
	var options cli.LogOptions
	options.Register(flags)
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if c.Media == "" {
		return cli.Usagef("--media is missing: say which folder has the pictures and videos")
	}
	if c.Seconds < 1 || c.Seconds > 86400 {
		return cli.Usagef("--seconds %v: want 1 to 86400", c.Seconds)
	}
	if *life < 1 || *life > 3650 || *grace < 0 || *grace > 3650 {
		return cli.Usagef("--certificate-days %d, --renewal-days %d: want at most 3650, and a certificate that is valid for a day", *life, *grace)
	}
	c.CertificateLife, c.RenewalGrace = time.Duration(*life)*day, time.Duration(*grace)*day
	if err := announcement(&c, *location, probesFrom); err != nil {
		return err
	}
	if err := otherServers(&c, peers); err != nil {
		return err
	}
	if err := browsers(c.Browsers); err != nil {
		return err
	}
	log, err := options.New(env, cli.NewConsole(env.Stderr, env.Terminal))
	if err != nil {
		return err
	}
	c.State, c.Log, c.Version = *state, log, env.Version
	c.Remote = remoteOf(*state, log)
	// Thousands of viewers that say nothing are memory that stays: the garbage collector may work twice as often for less of it.
	debug.SetGCPercent(50)
	s, err := server.New(c)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// announcement checks what the server says of itself, and to whom.
func announcement(c *server.Config, location string, probesFrom []string) (err error) {
	if c.Location, err = protocol.ParseLocation(location); err != nil {
		return &cli.UsageError{Reason: "--" + err.Error()}
	}
	if c.Priority < 0 || c.Priority > protocol.MaxPriority {
		return cli.Usagef("--priority %d: want 0 to %d", c.Priority, protocol.MaxPriority)
	}
	if c.Name != "" {
		if err := protocol.CheckName(c.Name); err != nil {
			return &cli.UsageError{Reason: "--" + err.Error()}
		}
	}
	for _, s := range probesFrom {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return cli.Usagef("--probes-from %.80q: want a network such as 10.2.0.0/16", s)
		}
		c.ProbesFrom = append(c.ProbesFrom, prefix.Masked())
	}
	return nil
}

// otherServers checks the other servers of the site.
func otherServers(c *server.Config, peers []string) error {
	for _, s := range peers {
		role, host, _ := strings.Cut(s, "=")
		addr, err := config.ServerAddress(host)
		if err != nil || role != protocol.RoleMain && role != protocol.RoleBackup {
			return cli.Usagef("--peer %.100q: want a role and an address, such as backup=10.0.0.6 or main=signage.example.org:7237", s)
		}
		c.Peers = append(c.Peers, protocol.Server{ID: addr, Role: role, Addrs: []string{addr}})
	}
	return nil
}

// browsers checks where and how browsers are served.
func browsers(p view.Ports) error {
	for option, addr := range map[string]string{"--view": p.TLS, "--view-http": p.HTTP} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			return cli.Usagef("%s %.100q: want an address such as :8443 or 10.0.0.5:443", option, addr)
		}
	}
	for _, name := range p.Names {
		if strings.ContainsAny(name, "/: ") {
			return cli.Usagef("--view-name %.100q: want a name alone, such as signage.example.org", name)
		}
	}
	switch {
	case (p.CertFile == "") != (p.KeyFile == ""):
		return cli.Usagef("a certificate needs its key: give both, --view-cert and --view-key")
	case p.CertFile != "" && p.TLS == "":
		return cli.Usagef("--view-cert is for --view, which is missing")
	case p.Plain && p.HTTP == "":
		return cli.Usagef("--view-plain is for --view-http, which is missing")
	}
	return nil
}

// remoteOf looks at other web servers for browsers, as a device does for itself, by way of the proxy that the environment names.
func remoteOf(state string, log *slog.Logger) *server.Remote {
	feeds := remote.NewFeeds(filepath.Join(state, "feeds"), http.DefaultTransport, time.Now, log)
	return &server.Remote{
		Run: feeds.Run, Want: feeds.Want,
		Feed:      func(ctx context.Context, url string) (any, error) { return feeds.Get(ctx, url) },
		Reachable: func(ctx context.Context, url string) error { return remote.Reachable(ctx, http.DefaultTransport, url) },
	}
}
