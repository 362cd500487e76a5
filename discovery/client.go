package discovery

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"vitrine/discovery/wsd"
)

// defaultWindow leaves the last copy of a Probe (1.25 s), APP_MAX_DELAY and slow hosts: devices of DPWS may take 2.5 s.
const defaultWindow = 3 * time.Second

// proxyWindow is DP_MAX_TIMEOUT, how long a discovery proxy may take (section 5.2, 5 s).
const proxyWindow = 5 * time.Second

// A Client finds targets (the role Client, section 2). It asks, and never answers. The zero Client is ready to use; its
// methods are safe for concurrent use as long as its fields don't change.
type Client struct {
	// Port is the UDP port that targets listen on (section 3.1.1); 0 means 3702.
	Port uint16
	// SourcePort is the UDP port to ask from; 0, the default, takes any free one. A fixed one is for networks whose firewalls
	// let answers to multicasts in only on a port that is named. Rounds from a fixed port must not overlap.
	SourcePort uint16
	// Interfaces are the names of the interfaces to use; empty means all that carry multicast, and loopback.
	Interfaces []string
	// Hosts are also asked directly, for those behind a router: "host" or "host:port", where host is a name or an IP
	// address, or a network of up to 256 addresses, such as "10.2.0.0/24". Not all devices answer that way.
	Hosts []string
	// Proxies are discovery proxies (section 2) to ask too, in the form of Hosts. They answer for others, and only those named
	// here are used. Multicasts go on beside them, so that a proxy that is down or lies hides nobody.
	Proxies []string
	// Window is how long Probe waits for answers; 0 means 3 s, or with Proxies DP_MAX_TIMEOUT, 5 s. Less than 2 s misses
	// devices that obey the standards (MATCH_TIMEOUT, section 5.2, after the last copy of the Probe).
	Window time.Duration
	// Log may be nil.
	Log *slog.Logger

	tally tally
}

// Counters says what became of the datagrams that came in.
func (c *Client) Counters() Counters { return c.tally.counters() }

// Probe asks for targets (section 5.2) in both versions, on every interface from each of its addresses and at the configured
// hosts, and calls found for each that matches one of the queries: at once when it is first heard of, and again when a later
// answer adds an address or changes what is known. Who answers without addresses is asked for them by a Resolve. Calls don't
// overlap; while one is under way answers wait.
//
// It returns nil at the end of the window, or earlier when ctx ends. An error means that not one Probe could be sent, or
// that a query can't be: it names each way that was tried, and why it failed.
//
// Answers count only if they came to the socket that asked, relate to what it asked, in the same version (section 5.3),
// and from a host on that link; types and scopes are compared again, since many devices answer everything.
func (c *Client) Probe(ctx context.Context, found func(Device), queries ...wsd.Query) error {
	var requests []wsd.Message
	for _, q := range queries {
		requests = append(requests, wsd.Message{Action: wsd.Probe, Query: q})
	}
	return c.run(ctx, requests, found)
}

// Resolve asks where the target with that endpoint reference is (section 6.2), as Probe does for types and scopes.
func (c *Client) Resolve(ctx context.Context, epr string, found func(Device)) error {
	return c.run(ctx, []wsd.Message{{Action: wsd.Resolve, Endpoints: []wsd.Endpoint{{EPR: epr}}}}, found)
}

func (c *Client) window() time.Duration {
	switch {
	case c.Window != 0:
		return c.Window
	case len(c.Proxies) > 0:
		return proxyWindow
	}
	return defaultWindow
}

// run is one round.
func (c *Client) run(ctx context.Context, requests []wsd.Message, found func(Device)) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, c.window())
	defer cancel()
	r, err := c.newRound(requests)
	if err != nil {
		return err
	}
	defer r.tasks.Wait()
	defer cancel()
	r.start(ctx)
	known, asked := newCatalogue(), r.asked
	for {
		select {
		case a := <-r.answers:
			if d, news := known.add(a); news {
				found(d)
			}
		case <-asked:
			if err := r.failure(); err != nil && parent.Err() == nil {
				return err
			}
			asked = nil
		case <-ctx.Done():
			if parent.Err() != nil {
				return nil
			}
			return r.failure()
		}
	}
}

// An Announcement is a Hello (section 4.1) or a Bye (section 4.2).
type Announcement struct {
	// Device is the target. Of one that leaves only the EPR and the path are known.
	Device Device
	// Bye tells that it leaves.
	Bye bool
}

// Listen calls heard for each target that says Hello or Bye (section 4) on a local network, until ctx ends; then it returns nil.
// Calls don't overlap. Copies of a message, its other version, and messages that were overtaken by newer ones of the same
// target are left out. An error means that there are interfaces and none could be joined.
//
// Anybody can forge an announcement: take a Hello for a reason to look, and a Bye for a reason to check the connection.
func (c *Client) Listen(ctx context.Context, heard func(Announcement)) error {
	return c.listen(ctx, func() {}, heard)
}

// listen calls ready when the groups are joined.
func (c *Client) listen(ctx context.Context, ready func(), heard func(Announcement)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := newListener()
	g := &membership{port: orPort(c.Port), interfaces: c.Interfaces, log: orDiscard(c.Log), deaf: true, tally: &c.tally}
	g.received = func(ctx context.Context, _ *member, arrival *link, p packet) (fate, error) {
		a, verdict, err := l.read(arrival, *g.links.Load(), p)
		if verdict == accepted {
			select {
			case l.heard <- a:
			case <-ctx.Done():
			}
		}
		return verdict, err
	}
	ended := make(chan error, 1)
	go func() { ended <- g.run(ctx, ready) }()
	for {
		select {
		case a := <-l.heard:
			if a, news := l.order(a); news {
				heard(a)
			}
		case err := <-ended:
			return err
		}
	}
}

// deviceOf makes a Device of what a target said.
func deviceOf(e wsd.Endpoint, v wsd.Version, from netip.AddrPort, l *link) Device {
	d := Device{Endpoint: e, Version: v, From: from}
	if l != nil {
		d.Interface = l.iface.Name
	}
	return d
}
