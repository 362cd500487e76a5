package vitrine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
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
		if !a.is(protocol.ServerType) || !b.is(protocol.ServerType) {
			return boolToInt(b.is(protocol.ServerType)) - boolToInt(a.is(protocol.ServerType))
		}
		return session.Compare(a.candidate(), b.candidate(), place)
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

// address is the best one to reach a device at, for a person: a name that only the device's own network may know comes after
// numbers. Of one that gives none the host is known that answered.
func (f foundDevice) address() string {
	host, _, _ := net.SplitHostPort(f.From)
	list := slices.Clone(f.Addresses)
	for _, xaddr := range f.XAddrs {
		if u, err := url.Parse(xaddr); err == nil {
			if _, err := netip.ParseAddr(u.Hostname()); err == nil {
				list = append(list, xaddr)
			}
		}
	}
	return first(append(append(list, f.XAddrs...), host)...)
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

// A watched device is what is remembered of one while others are waited for.
type watched struct {
	foundDevice
	metadata uint32
	bye      bool
	printed  time.Time
}

// echoTime is how long what a device says by one address and IP version after the other counts as one announcement.
const echoTime = 2 * time.Second

// maxWatched bounds what is remembered: anybody can say Hello.
const maxWatched = 4096

// A watcher decides which announcements are printed.
type watcher struct {
	queries []wsd.Query
	seen    map[string]watched
}

// news tells whether an announcement at some time is worth a line, and of which device. Who says Bye doesn't have to say of
// what type it is, so that those count that said Hello before, or with more than one query, which is --all, every one.
func (w *watcher) news(a discovery.Announcement, now time.Time) (foundDevice, bool) {
	device := describe(a.Device)
	known, ok := w.seen[device.EPR]
	switch {
	case ok && a.Bye == known.bye && now.Sub(known.printed) < echoTime && (a.Bye || a.Device.MetadataVersion == known.metadata):
		return device, false
	case a.Bye && ok:
		device = known.foundDevice
	case !matchesAny(w.queries, a.Device) && !(a.Bye && len(w.queries) > 1):
		return device, false
	}
	if ok || len(w.seen) < maxWatched {
		w.seen[device.EPR] = watched{device, a.Device.MetadataVersion, a.Bye, now}
	}
	return device, true
}

// watch prints announcements until ctx ends.
func watch(ctx context.Context, out io.Writer, client *discovery.Client, queries []wsd.Query, asJSON bool) error {
	w := watcher{queries: queries, seen: map[string]watched{}}
	return client.Listen(ctx, func(a discovery.Announcement) {
		now := time.Now()
		device, news := w.news(a, now)
		if !news {
			return
		}
		if asJSON {
			// A reader that is gone ends the program by the next signal of the system.
			_ = json.NewEncoder(out).Encode(announcement{now, a.Bye, device})
			return
		}
		fmt.Fprintf(out, "%s  %-5s  %s\n", now.Format(time.TimeOnly), what(a), device.line())
	})
}

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
