package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vitrine/platform/network"
)

// retry is how long an interface that could not be joined waits for the next try.
const retry = 3 * time.Second

// A membership keeps one socket per interface and family joined to the group on the discovery port, as interfaces and
// their addresses come and go.
type membership struct {
	port       uint16
	interfaces []string
	log        *slog.Logger
	// joined is called in a goroutine of its own for each socket, with a context that ends before that socket closes.
	joined func(context.Context, *member)
	// received is called for each datagram from a believable source, and from several goroutines, and says what became of
	// it. The link is the one that it came in on.
	received func(context.Context, *member, *link, packet) (fate, error)
	// leaving is called once, when the membership's context has ended but the sockets can still send.
	leaving func([]*member)
	// deaf leaves unicasts to others.
	deaf bool
	// offLink are networks that datagrams may come from although they are not directly connected.
	offLink []netip.Prefix
	tally   *tally

	links   atomic.Pointer[neighbourhood]
	members map[string]*member // by what they were opened for
	failed  map[string]error   // what was already complained about
}

// A member is one joined socket.
type member struct {
	*socket
	link   link
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// run joins, calls ready after the first look at the interfaces, and stays until ctx ends. It fails only if there are
// interfaces and none could be joined.
func (g *membership) run(ctx context.Context, ready func()) error {
	g.members, g.failed = map[string]*member{}, map[string]error{}
	defer g.closeAll()
	if err := g.scan(ctx); err != nil {
		return err
	}
	ready()
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	watching.Go(func() { network.Watch(ctx, func() { poke(changed) }) })
	ticker := time.NewTicker(retry)
	defer ticker.Stop()
	// What changed after the first look and before the watch began is found by one more look.
	again := true
	for {
		select {
		case <-ctx.Done():
			if g.leaving != nil {
				g.leaving(slices.Collect(maps.Values(g.members)))
			}
			return nil
		case <-changed:
		case <-ticker.C:
			if len(g.failed) == 0 && !again {
				continue
			}
			again = false
		}
		if err := g.scan(ctx); err != nil {
			g.log.Warn("No network interface can be used for discovery; trying again", "err", err)
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// scan opens and closes sockets so that they are those of the interfaces there are now. Any change of an interface's
// addresses opens its sockets anew, since what is announced on it changes too.
func (g *membership) scan(ctx context.Context) error {
	all, err := findLinks(nil)
	if err != nil {
		return err
	}
	g.links.Store((*neighbourhood)(&all))
	wanted, err := findLinks(g.interfaces)
	if err != nil {
		return err
	}
	openings := map[string]opening{}
	for _, l := range wanted {
		for _, local := range families(&l) {
			key := fmt.Sprint(l.iface.Index, l.iface.Name, local.Is4(), l.prefixes)
			openings[key] = opening{l, local}
		}
	}
	for key, m := range g.members {
		if _, ok := openings[key]; !ok {
			m.close()
			delete(g.members, key)
		}
	}
	maps.DeleteFunc(g.failed, func(key string, _ error) bool { _, ok := openings[key]; return !ok })
	for key, o := range openings {
		if g.members[key] == nil {
			g.join(ctx, key, o)
		}
	}
	return g.verdict()
}

// An opening is a socket that there should be.
type opening struct {
	link  link
	local netip.Addr
}

// families gives one of the link's addresses for each family that it can multicast in.
func families(l *link) []netip.Addr {
	var list []netip.Addr
	for _, a := range l.sources() {
		if len(list) == 0 || list[len(list)-1].Is4() != a.Is4() {
			list = append(list, a)
		}
	}
	return list
}

func (g *membership) join(ctx context.Context, key string, o opening) {
	name := o.link.iface.Name
	s, err := openMember(ctx, &o.link, o.local, g.port, g.deaf)
	if err != nil {
		if g.failed[key] == nil {
			g.log.Warn("This interface can't be used for discovery; trying again", "interface", name, "err", err)
		}
		g.failed[key] = fmt.Errorf("%s: %w", name, err)
		return
	}
	delete(g.failed, key)
	memberCtx, cancel := context.WithCancel(ctx)
	m := &member{socket: s, link: o.link, cancel: cancel}
	g.members[key] = m
	m.done.Go(func() { m.readAll(memberCtx, func(p packet) { g.receive(memberCtx, m, p) }) })
	if g.joined != nil {
		m.done.Go(func() { g.joined(memberCtx, m) })
	}
}

// verdict is an error if interfaces were there and none could be joined.
func (g *membership) verdict() error {
	if len(g.members) > 0 || len(g.failed) == 0 {
		return nil
	}
	return fmt.Errorf("discovery on port %d: %w", g.port, errors.Join(slices.Collect(maps.Values(g.failed))...))
}

// receive counts one datagram and passes it on. What came by another way than this socket is for is another socket's to
// count.
func (g *membership) receive(ctx context.Context, m *member, p packet) {
	links, arrival := *g.links.Load(), &m.link
	if p.iface != 0 && p.iface != m.link.iface.Index {
		// A unicast reaches any one of the sockets on the port; a multicast of another link is none of this one's.
		if arrival = links.byIndex(p.iface); arrival == nil || p.to.IsMulticast() {
			return
		}
	}
	verdict, err := refused, error(nil)
	if links.delivers(arrival, p.from.Addr()) || g.lets(p.from.Addr()) {
		verdict, err = g.received(ctx, m, arrival, p)
	}
	g.tally.count(g.log, verdict, p.from, err)
}

// lets tells whether a source that is not directly connected is let in.
func (g *membership) lets(source netip.Addr) bool {
	return slices.ContainsFunc(g.offLink, func(p netip.Prefix) bool { return p.Contains(source.WithZone("")) })
}

func (g *membership) closeAll() {
	for _, m := range g.members {
		m.close()
	}
}

// close ends the member's goroutines and closes its socket; a kernel that has lost the interface has already left the group.
func (m *member) close() {
	m.cancel()
	m.done.Wait()
	m.socket.close()
}
