package vitrine

import (
	"context"
	"encoding/json"
	"time"

	"vitrine/agent"
	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

var discoverCommand = cli.Command{
	Name:    "discover",
	Summary: "find Vitrine servers, or any WS-Discovery device, on this network",
	Usage:   "[--all | --viewers | --type NAME]... [--scope URI]... [--host HOST]... [--watch] [-v] [--json] [OPTIONS]",
	Help: `It sends WS-Discovery probes on every interface (UDP port 3702) and lists who answers, servers in the
order in which a viewer would take them. With --watch it listens instead, and prints each device that
comes or goes, until Ctrl-C.`,
}

// deviceType is what Windows computers, printers and their like are found by (DPWS); some of them answer no probe without.
var deviceType = wsd.Name{Space: "http://schemas.xmlsoap.org/ws/2006/02/devprof", Local: "Device"}

type discoverOptions struct {
	all, viewers, watch, asJSON, verbose      bool
	types, scopes, interfaces, hosts, proxies cli.List
	sourcePort                                uint
	timeout                                   time.Duration
	site, location                            string
}

func discover(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine discover", discoverCommand)
	var o discoverOptions
	flags.BoolVar(&o.all, "all", false, "list every device, not only Vitrine servers")
	flags.BoolVar(&o.viewers, "viewers", false, "list the viewers whose settings let them be found")
	flags.Var(&o.types, "type", "list devices of this type, as {namespace}`name`; may be repeated, and then all must fit")
	flags.Var(&o.scopes, "scope", "list devices in this scope, a `uri`; may be repeated, and then all must fit")
	flags.Var(&o.interfaces, "interface", "network `interface` to use instead of all; may be repeated")
	flags.Var(&o.hosts, "host", "`host` to ask directly too, such as one behind a router, or a network such as 10.2.0.0/24; may be repeated")
	flags.Var(&o.proxies, "proxy", "discovery proxy to ask too, a `host`; may be repeated")
	flags.UintVar(&o.sourcePort, "source-port", 0, "UDP `port` to ask from, for a firewall that lets answers in on that port only (default any)")
	flags.DurationVar(&o.timeout, "timeout", 3*time.Second, "`duration` to wait for answers")
	flags.StringVar(&o.site, "site", "", "`name` of the site to rank servers for (default: that of the viewer on this machine)")
	flags.StringVar(&o.location, "location", "", "`place` to rank servers for, such as building-a/floor-2 (default: that of the viewer on this machine)")
	flags.BoolVar(&o.watch, "watch", false, "print devices as they come and go")
	flags.BoolVar(&o.verbose, "v", false, "say why servers are in this order, and what became of the datagrams that came in")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON, with --watch a line for each device")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	queries, err := o.queries()
	if err != nil {
		return err
	}
	client := &discovery.Client{
		Interfaces: o.interfaces, Hosts: o.hosts, Proxies: o.proxies, SourcePort: uint16(o.sourcePort), Window: o.timeout,
	}
	if o.watch {
		return watch(ctx, env.Stdout, client, queries, o.asJSON)
	}
	place, err := o.place(ctx)
	if err != nil {
		return err
	}
	devices, err := probe(ctx, client, queries)
	if err != nil {
		return err
	}
	rank(devices, place)
	if o.viewers {
		remember(devices)
	}
	return o.print(env.Stdout, devices, client.Counters())
}

// check finds options that make no sense, alone or together.
func (o *discoverOptions) check() error {
	kinds := 0
	for _, given := range []bool{o.all, o.viewers, len(o.types) > 0} {
		if given {
			kinds++
		}
	}
	switch {
	case o.timeout <= 0:
		return cli.Usagef("--timeout %v: want more than nothing", o.timeout)
	case kinds > 1:
		return cli.Usagef("--all, --viewers and --type contradict each other")
	case o.sourcePort > 65535:
		return cli.Usagef("--source-port %d: want 1 to 65535", o.sourcePort)
	}
	for option, hosts := range map[string]cli.List{"--host": o.hosts, "--proxy": o.proxies} {
		for _, host := range hosts {
			if err := discovery.CheckHost(host); err != nil {
				return &cli.UsageError{Reason: option + ": " + err.Error()}
			}
		}
	}
	if o.site != "" {
		return protocol.CheckSite(o.site)
	}
	return nil
}

// queries are what is asked; a device that matches one of them is listed.
func (o *discoverOptions) queries() ([]wsd.Query, error) {
	query := wsd.Query{Scopes: o.scopes}
	for _, s := range o.types {
		name, err := wsd.ParseName(s)
		if err != nil {
			return nil, &cli.UsageError{Reason: "--type: " + err.Error()}
		}
		query.Types = append(query.Types, name)
	}
	switch {
	case o.all:
		typed := query
		typed.Types = []wsd.Name{deviceType}
		return []wsd.Query{query, typed}, nil
	case o.viewers:
		query.Types = []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ViewerType}}
	case len(query.Types) == 0:
		query.Types = []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}}
	}
	return []wsd.Query{query}, nil
}

// place is what servers are ranked by: what the options say, and otherwise where the viewer on this machine is.
func (o *discoverOptions) place(ctx context.Context) (session.Place, error) {
	location, err := protocol.ParseLocation(o.location)
	if err != nil || o.site != "" || o.location != "" {
		return session.Place{Site: o.site, Location: location}, err
	}
	var s agent.Status
	if data, err := fetchStatus(ctx, defaultPage()); err == nil {
		// Without a viewer, or with something else on its port, there is no place to prefer.
		_ = json.Unmarshal(data, &s)
	}
	return session.Place{Site: s.Site, Location: s.Location}, nil
}

// probe lists the devices in the order in which they answered, each as it was last heard of.
func probe(ctx context.Context, client *discovery.Client, queries []wsd.Query) ([]foundDevice, error) {
	devices := []foundDevice{}
	place := map[string]int{}
	err := client.Probe(ctx, func(d discovery.Device) {
		at, known := place[d.EPR]
		if !known {
			at = len(devices)
			place[d.EPR] = at
			devices = append(devices, foundDevice{})
		}
		devices[at] = describe(d)
	}, queries...)
	return devices, err
}
