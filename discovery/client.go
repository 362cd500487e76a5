package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"vitrine/discovery/wsd"
)

// defaultWindow leaves the last copy of a Probe (1.25 s), APP_MAX_DELAY and slow hosts: devices of DPWS may take 2.5 s.
const defaultWindow = 3 * time.Second

// A Client finds targets (the role Client, section 2). It sends Probes and never anything else, and so
// never answers. The zero Client is ready to use; its methods are safe for concurrent use as long as its fields don't
// change.
type Client struct {
	// Port is the UDP port that targets listen on; 0 means 3702.
	Port uint16
	// Interfaces are the names of the interfaces to use; empty means all that carry multicast, and loopback.
	Interfaces []string
	// Hosts are also asked directly, for those behind a router: "host" or "host:port", where host is a name or an IP
	// address. Not all devices answer that way.
	Hosts []string
	// Window is how long Probe waits for answers; 0 means 3 s. Less than 2 s misses devices that obey the standards.
	Window time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// Probe asks for targets in both versions, on every interface from each of its addresses and at the configured hosts, and
// calls found for each that matches: at once when it is first heard of, and again when a later answer adds an address or
// changes what is known. Calls don't overlap; while one is under way answers wait.
//
// It returns nil at the end of the window, or earlier when ctx ends. An error means that not one Probe could be sent, or
// that the query can't be: it names each way that was tried, and why it failed.
//
// Answers count only if they came to the socket that asked, relate to what it asked, in the same version (section 5.3),
// and from a host on that link; types and scopes are compared again, since many devices answer everything.
func (c *Client) Probe(ctx context.Context, q wsd.Query, found func(Device)) error {
	window := c.Window
	if window == 0 {
		window = defaultWindow
	}
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, window)
	defer cancel()
	r, err := c.newRound(q)
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

// An Announcement is a Hello or a Bye.
type Announcement struct {
	// Device is the target. Of one that leaves only the EPR and the path are known.
	Device Device
	// Bye tells that it leaves.
	Bye bool
}

// Listen calls heard for each target that says Hello or Bye on a local network, until ctx ends; then it returns nil.
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
	g := &membership{port: orPort(c.Port), interfaces: c.Interfaces, log: orDiscard(c.Log)}
	g.received = func(ctx context.Context, _ *member, arrival *link, p packet) {
		if a, ok := l.read(arrival, *g.links.Load(), p); ok {
			select {
			case l.heard <- a:
			case <-ctx.Done():
			}
		}
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

// errNoWay is why a round fails that has no interface and no host to ask.
var errNoWay = errors.New("no network interface is up")

// failure is nil as soon as one Probe has left.
func (r *round) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sent {
		return nil
	}
	err := errors.Join(r.errs...)
	if err == nil {
		err = errNoWay
	}
	return fmt.Errorf("no probe could be sent: %w", err)
}

// deviceOf makes a Device of what a target said.
func deviceOf(e wsd.Endpoint, v wsd.Version, from netip.AddrPort, l *link) Device {
	d := Device{Endpoint: e, Version: v, From: from}
	if l != nil {
		d.Interface = l.iface.Name
	}
	return d
}
