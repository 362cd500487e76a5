package vitrine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

var discoverCommand = cli.Command{
	Name:    "discover",
	Summary: "find Vitrine servers, or any WS-Discovery device, on this network",
	Usage:   "[--all | --type NAME]... [--scope URI]... [--interface NAME]... [--host HOST]... [--timeout DURATION] [--watch] [--json]",
	Help: `It sends WS-Discovery probes on every interface (UDP port 3702) and lists who answers. With --watch
it listens instead, and prints each device that comes or goes, until Ctrl-C.`,
}

// deviceType is what Windows computers, printers and their like are found by (DPWS); some of them answer no probe without.
var deviceType = wsd.Name{Space: "http://schemas.xmlsoap.org/ws/2006/02/devprof", Local: "Device"}

type discoverOptions struct {
	all, watch, asJSON               bool
	types, scopes, interfaces, hosts cli.List
	timeout                          time.Duration
}

// foundDevice is the JSON form of a device; the round-trip time is in seconds.
type foundDevice struct {
	// Site and Role are those of a Vitrine server.
	Site      string     `json:"site,omitempty"`
	Role      string     `json:"role,omitempty"`
	Addresses []string   `json:"addresses"`
	EPR       string     `json:"epr"`
	Types     []wsd.Name `json:"types"`
	Scopes    []string   `json:"scopes"`
	XAddrs    []string   `json:"xaddrs"`
	Version   string     `json:"version"`
	Interface string     `json:"interface,omitempty"`
	From      string     `json:"from"`
	RTT       float64    `json:"rtt,omitempty"`
}

func discover(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine discover", discoverCommand)
	var o discoverOptions
	flags.BoolVar(&o.all, "all", false, "list every device, not only Vitrine servers")
	flags.Var(&o.types, "type", "list devices of this type, as {namespace}`name`; may be repeated, and then all must fit")
	flags.Var(&o.scopes, "scope", "list devices in this scope, a `uri`; may be repeated, and then all must fit")
	flags.Var(&o.interfaces, "interface", "network `interface` to use instead of all; may be repeated")
	flags.Var(&o.hosts, "host", "`host` to ask directly too, such as one behind a router; may be repeated")
	flags.DurationVar(&o.timeout, "timeout", 3*time.Second, "`duration` to wait for answers")
	flags.BoolVar(&o.watch, "watch", false, "print devices as they come and go")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON, with --watch a line for each device")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	queries, err := o.queries()
	if err != nil {
		return err
	}
	client := &discovery.Client{Interfaces: o.interfaces, Hosts: o.hosts, Window: o.timeout}
	if o.watch {
		return watch(ctx, env.Stdout, client, queries, o.asJSON)
	}
	devices, err := probe(ctx, client, queries)
	if err != nil {
		return err
	}
	return o.print(env.Stdout, devices)
}

// queries are what is asked; a device that matches one of them is listed.
func (o *discoverOptions) queries() ([]wsd.Query, error) {
	if o.timeout <= 0 {
		return nil, cli.Usagef("--timeout %v: want more than nothing", o.timeout)
	}
	if o.all && len(o.types) > 0 {
		return nil, cli.Usagef("--all and --type contradict each other")
	}
	query := wsd.Query{Scopes: o.scopes}
	for _, s := range o.types {
		name, err := wsd.ParseName(s)
		if err != nil {
			return nil, &cli.UsageError{Reason: "--type: " + err.Error()}
		}
		query.Types = append(query.Types, name)
	}
	if !o.all {
		if len(query.Types) == 0 {
			query.Types = []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}}
		}
		return []wsd.Query{query}, nil
	}
	typed := query
	typed.Types = []wsd.Name{deviceType}
	return []wsd.Query{query, typed}, nil
}

// probe lists the devices in the order in which they answered, each as it was last heard of.
func probe(ctx context.Context, client *discovery.Client, queries []wsd.Query) ([]foundDevice, error) {
	var mu sync.Mutex
	devices := []foundDevice{}
	place := map[string]int{}
	var group errgroup.Group
	for _, query := range queries {
		group.Go(func() error {
			return client.Probe(ctx, query, func(d discovery.Device) {
				mu.Lock()
				defer mu.Unlock()
				at, known := place[d.EPR]
				if !known {
					at = len(devices)
					place[d.EPR] = at
					devices = append(devices, foundDevice{})
				}
				devices[at] = describe(d)
			})
		})
	}
	return devices, group.Wait()
}

func describe(d discovery.Device) foundDevice {
	f := foundDevice{
		Addresses: d.Addrs(protocol.SchemeSession), EPR: d.EPR, Types: d.Types, Scopes: d.Scopes, XAddrs: d.XAddrs,
		Version: fmt.Sprint(d.Version), Interface: d.Interface, From: d.From.String(), RTT: d.RTT.Seconds(),
	}
	for _, scope := range d.Scopes {
		if site, role, ok := protocol.ParseRoleScope(scope); ok {
			f.Site, f.Role = site, role
		}
	}
	return f
}

// isServer tells a Vitrine server from other devices.
func (f foundDevice) isServer() bool { return f.Site != "" }

// address is the best one to reach a device at.
func (f foundDevice) address() string {
	return first(append(append(f.Addresses, f.XAddrs...), f.From)...)
}

// typeNames are the local names of the types: the namespaces are long, and --json has them.
func (f foundDevice) typeNames() string {
	var names []string
	for _, t := range f.Types {
		names = append(names, t.Local)
	}
	return strings.Join(names, " ")
}

// print lists devices for a person or a machine.
func (o *discoverOptions) print(w io.Writer, devices []foundDevice) error {
	if o.asJSON {
		return cli.WriteJSON(w, devices)
	}
	if len(devices) == 0 {
		return fmt.Errorf("nobody answered within %v; is a server running on this network, and does a firewall block UDP port 3702? Ask a host behind a router with --host", o.timeout)
	}
	if !o.all && len(o.types) == 0 {
		rows := [][]string{{"SITE", "ROLE", "ADDRESS", "INTERFACE", "VERSION", "TIME"}}
		for _, f := range devices {
			rows = append(rows, []string{f.Site, f.Role, f.address(), f.Interface, f.Version, milliseconds(f.RTT)})
		}
		return cli.Table(w, rows)
	}
	rows := [][]string{{"TYPE", "ADDRESS", "INTERFACE", "VERSION", "TIME", "NAME"}}
	for _, f := range devices {
		rows = append(rows, []string{f.typeNames(), f.address(), f.Interface, f.Version, milliseconds(f.RTT), f.EPR})
	}
	return cli.Table(w, rows)
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.1f ms", seconds*1e3) }

// announced is the JSON form of a Hello or Bye.
type announced struct {
	Time time.Time `json:"time"`
	Bye  bool      `json:"bye"`
	foundDevice
}

// watch prints announcements until ctx ends. Who says Bye doesn't say of what type it is, so that all of them are printed
// that said Hello before, or with more than one query, which is --all, every one.
func watch(ctx context.Context, w io.Writer, client *discovery.Client, queries []wsd.Query, asJSON bool) error {
	seen := map[string]bool{}
	return client.Listen(ctx, func(a discovery.Announcement) {
		if a.Bye && !seen[a.Device.EPR] && len(queries) == 1 {
			return
		}
		if !a.Bye && !matchesAny(queries, a.Device) {
			return
		}
		seen[a.Device.EPR] = !a.Bye
		line := announced{time.Now(), a.Bye, describe(a.Device)}
		if asJSON {
			// A reader that is gone ends the program by the next signal of the system.
			_ = json.NewEncoder(w).Encode(line)
			return
		}
		what := "hello"
		if a.Bye {
			what = "bye"
		}
		kind := line.typeNames()
		if line.isServer() {
			kind = fmt.Sprintf("server of site %s (%s)", line.Site, line.Role)
		}
		fmt.Fprintf(w, "%s  %-5s  %s  %s  %s\n", line.Time.Format(time.TimeOnly), what, line.address(), kind, line.EPR)
	})
}

func matchesAny(queries []wsd.Query, d discovery.Device) bool {
	for _, q := range queries {
		if q.Matches(d.Version, d.Endpoint) {
			return true
		}
	}
	return false
}
