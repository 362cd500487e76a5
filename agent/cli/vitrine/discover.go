package vitrine

import (
	"context"
	"fmt"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

var discoverCommand = cli.Command{
	Name:    "discover",
	Summary: "find Vitrine servers on this network",
	Usage:   "[--host HOST]... [--timeout DURATION] [--json]",
	Help:    "It sends WS-Discovery probes on every interface (UDP port 3702) and lists who answers.",
}

// foundServer is the JSON form of a server; the round-trip time is in seconds.
type foundServer struct {
	Site      string   `json:"site"`
	Role      string   `json:"role"`
	Addresses []string `json:"addresses"`
	EPR       string   `json:"epr"`
	Scopes    []string `json:"scopes"`
	Version   string   `json:"version"`
	Interface string   `json:"interface,omitempty"`
	From      string   `json:"from"`
	RTT       float64  `json:"rtt"`
}

func discover(ctx context.Context, env cli.Env, args []string) error {
	flags := cli.Flags(env, "vitrine discover", discoverCommand)
	var hosts cli.List
	flags.Var(&hosts, "host", "`host` to ask directly too, such as one behind a router; may be repeated")
	timeout := flags.Duration("timeout", 3*time.Second, "how long to wait for answers; `duration`")
	asJSON := flags.Bool("json", false, "print JSON")
	if _, err := flags.Parse(args, 0, 0); err != nil {
		return err
	}
	if *timeout <= 0 {
		return cli.Usagef("--timeout %v: want more than nothing", *timeout)
	}
	servers, err := probe(ctx, &discovery.Client{Hosts: hosts, Window: *timeout})
	if err != nil {
		return err
	}
	if *asJSON {
		return cli.WriteJSON(env.Stdout, servers)
	}
	if len(servers) == 0 {
		return fmt.Errorf("no server answered within %v; is one running on this network, and does a firewall block UDP port 3702? Ask a host behind a router with --host", *timeout)
	}
	rows := [][]string{{"SITE", "ROLE", "ADDRESS", "INTERFACE", "VERSION", "TIME"}}
	for _, s := range servers {
		rows = append(rows, []string{s.Site, s.Role, first(s.Addresses...), s.Interface, s.Version, fmt.Sprintf("%.1f ms", s.RTT*1e3)})
	}
	return cli.Table(env.Stdout, rows)
}

// probe lists the servers in the order in which they answered, each as it was last heard of.
func probe(ctx context.Context, client *discovery.Client) ([]foundServer, error) {
	query := wsd.Query{Types: []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}}}
	servers := []foundServer{}
	place := map[string]int{}
	err := client.Probe(ctx, query, func(d discovery.Device) {
		at, known := place[d.EPR]
		if !known {
			at = len(servers)
			place[d.EPR] = at
			servers = append(servers, foundServer{})
		}
		servers[at] = describe(d)
	})
	return servers, err
}

func describe(d discovery.Device) foundServer {
	s := foundServer{
		Addresses: d.Addrs(protocol.SchemeSession), EPR: d.EPR, Scopes: d.Scopes, Version: fmt.Sprint(d.Version),
		Interface: d.Interface, From: d.From.String(), RTT: d.RTT.Seconds(),
	}
	for _, scope := range d.Scopes {
		if site, role, ok := protocol.ParseRoleScope(scope); ok {
			s.Site, s.Role = site, role
		}
	}
	return s
}
