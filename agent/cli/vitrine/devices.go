package vitrine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

// foundDevice is the JSON form of a device; the round-trip time is in seconds.
type foundDevice struct {
	// Announced is what a Vitrine server or viewer says of itself; of other devices only the name may be known.
	protocol.Announced
	Addresses []string   `json:"addresses"`
	EPR       string     `json:"epr"`
	Types     []wsd.Name `json:"types"`
	Scopes    []string   `json:"scopes"`
	XAddrs    []string   `json:"xaddrs"`
	Version   string     `json:"version"`
	Interface string     `json:"interface,omitempty"`
	From      string     `json:"from"`
	RTT       float64    `json:"rtt,omitempty"`
	// Rank is a server's place among those found, from 1, and Why what puts it behind the one before.
	Rank int    `json:"rank,omitempty"`
	Why  string `json:"why,omitempty"`
}

func describe(d discovery.Device) foundDevice {
	f := foundDevice{
		Addresses: d.Addrs(protocol.SchemeSession), EPR: d.EPR, Types: d.Types, Scopes: d.Scopes, XAddrs: d.XAddrs,
		Version: fmt.Sprint(d.Version), Interface: d.Interface, From: d.From.String(), RTT: d.RTT.Seconds(),
	}
	// An empty list in JSON, not null.
	f.Addresses, f.Types = append([]string{}, f.Addresses...), append([]wsd.Name{}, f.Types...)
	f.Scopes, f.XAddrs = append([]string{}, f.Scopes...), append([]string{}, f.XAddrs...)
	var ours bool
	if f.Announced, ours = protocol.ParseScopes(d.Scopes); !ours {
		f.Name = cameraName(d.Scopes)
	}
	return f
}

// cameraName is the name that ONVIF devices put into a scope (ONVIF Core Specification, section 7.3.2.2).
func cameraName(scopes []string) string {
	for _, scope := range scopes {
		if text, ok := strings.CutPrefix(scope, "onvif://www.onvif.org/name/"); ok {
			if name, err := url.PathUnescape(text); err == nil && protocol.CheckName(name) == nil {
				return name
			}
		}
	}
	return ""
}

// is tells what kind of a Vitrine machine a device says it is.
func (f foundDevice) is(kind string) bool {
	return slices.Contains(f.Types, wsd.Name{Space: protocol.DiscoveryNamespace, Local: kind})
}

// candidate is a server as a viewer sees it.
func (f foundDevice) candidate() session.Candidate {
	rtt := time.Duration(f.RTT * float64(time.Second))
	return session.Candidate{Addr: f.address(), Source: session.Found, Announced: f.Announced, RTT: rtt}
}

// rank puts servers into the order in which a viewer at that place wants them, before everything else.
func rank(devices []foundDevice, place session.Place) {
	slices.SortStableFunc(devices, func(a, b foundDevice) int {
		switch {
		case !a.is(protocol.ServerType) || !b.is(protocol.ServerType):
			return boolToInt(b.is(protocol.ServerType)) - boolToInt(a.is(protocol.ServerType))
		default:
			pair := []session.Candidate{a.candidate(), b.candidate()}
			if session.Rank(pair, place); pair[0].Addr != a.address() {
				return 1
			}
			return -1
		}
	})
	for i := range devices {
		if !devices[i].is(protocol.ServerType) {
			return
		}
		devices[i].Rank = i + 1
		if i > 0 {
			devices[i].Why = session.Why(devices[i-1].candidate(), devices[i].candidate(), place)
		}
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// address is the best one to reach a device at. Of one that gives none the host is known that answered.
func (f foundDevice) address() string {
	host, _, _ := net.SplitHostPort(f.From)
	return first(append(append(slices.Clone(f.Addresses), f.XAddrs...), host)...)
}

// kind says what the device is for. The namespaces of types are long, and --json has them.
func (f foundDevice) kind() string {
	switch {
	case f.Role != "":
		return f.Role
	case f.is(protocol.ViewerType):
		return "viewer"
	}
	var names []string
	for _, t := range f.Types {
		names = append(names, t.Local)
	}
	return strings.Join(names, " ")
}

// print lists devices for a person or a machine.
func (o *discoverOptions) print(w io.Writer, devices []foundDevice, counters discovery.Counters) error {
	if o.asJSON {
		return cli.WriteJSON(w, devices)
	}
	if len(devices) == 0 {
		return fmt.Errorf("nobody answered within %v; is a server running on this network, and does a firewall block UDP port 3702? "+
			"Ask a host behind a router with --host, and see with -v what came in", o.timeout)
	}
	rows := [][]string{{"NAME", "ROLE", "ADDRESS", "SITE", "VERSION", "INTERFACE", "TIME"}}
	for _, f := range devices {
		name := first(f.Name, f.EPR)
		rows = append(rows, []string{name, orDash(f.kind()), f.address(), orDash(f.Site), f.Version, orDash(f.Interface), milliseconds(f.RTT)})
	}
	if err := cli.Table(w, rows); err != nil || !o.verbose {
		return err
	}
	return explainOrder(w, devices, counters)
}

func orDash(s string) string { return first(s, "-") }

// explainOrder says why servers are in this order, and what was dropped.
func explainOrder(w io.Writer, devices []foundDevice, c discovery.Counters) error {
	fmt.Fprintln(w)
	for _, f := range devices {
		if f.Rank == 0 {
			break
		}
		says := fmt.Sprintf("%d. %s: role %s, priority %d", f.Rank, first(f.Name, f.EPR), orDash(f.Role), f.Priority)
		if len(f.Location) > 0 {
			says += ", location " + f.Location.String()
		}
		if f.Why != "" {
			says += "; behind the one before it because it is " + f.Why
		}
		fmt.Fprintln(w, says)
	}
	_, err := fmt.Fprintf(w, "Datagrams: %d accepted, %d copies, %d not for us; dropped: %d malformed, %d over the rate limit, %d from sources that are never listened to, %d answers to nothing that was asked\n",
		c.Accepted, c.Repeated, c.Ignored, c.Malformed, c.Limited, c.Refused, c.Unasked)
	return err
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.1f ms", seconds*1e3) }

// announcement is the JSON form of a Hello or Bye.
type announcement struct {
	Time time.Time `json:"time"`
	Bye  bool      `json:"bye"`
	foundDevice
}

// watch prints announcements until ctx ends. Who says Bye doesn't have to say of what type it is, so that those are printed
// that said Hello before, or with more than one query, which is --all, every one.
func watch(ctx context.Context, w io.Writer, client *discovery.Client, queries []wsd.Query, asJSON bool) error {
	seen := map[string]foundDevice{}
	return client.Listen(ctx, func(a discovery.Announcement) {
		device := describe(a.Device)
		if known, ok := seen[device.EPR]; a.Bye && ok {
			device = known
		} else if !matchesAny(queries, a.Device) && !(a.Bye && len(queries) > 1) {
			return
		}
		if a.Bye {
			delete(seen, device.EPR)
		} else if len(seen) < maxWatched {
			seen[device.EPR] = device
		}
		line := announcement{time.Now(), a.Bye, device}
		if asJSON {
			// A reader that is gone ends the program by the next signal of the system.
			_ = json.NewEncoder(w).Encode(line)
			return
		}
		fmt.Fprintf(w, "%s  %-5s  %s\n", line.Time.Format(time.TimeOnly), what(a), device.line())
	})
}

// maxWatched bounds what is remembered of devices that are there: anybody can say Hello.
const maxWatched = 4096

func what(a discovery.Announcement) string {
	if a.Bye {
		return "bye"
	}
	return "hello"
}

// line is a device in one line.
func (f foundDevice) line() string {
	kind := f.kind()
	switch {
	case f.is(protocol.ServerType):
		kind = fmt.Sprintf("server of site %s (%s)", f.Site, f.Role)
	case f.is(protocol.ViewerType):
		kind = "viewer of site " + f.Site
	}
	return strings.Join([]string{first(f.Name, f.EPR), f.address(), orDash(kind)}, "  ")
}

func matchesAny(queries []wsd.Query, d discovery.Device) bool {
	return slices.ContainsFunc(queries, func(q wsd.Query) bool { return q.Matches(d.Version, d.Endpoint) })
}
