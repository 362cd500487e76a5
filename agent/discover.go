package agent

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
	"vitrine/platform/network"
)

// newClient makes what finds servers: also at the hosts of configured ones, which may be behind a router.
func (a *Agent) newClient() *discovery.Client {
	c := a.config.Discovery
	hosts := append(hostsOf(a.config.Servers), c.Hosts...)
	return &discovery.Client{Hosts: hosts, Proxies: c.Proxies, Interfaces: c.Interfaces, SourcePort: c.SourcePort, Log: a.log}
}

// hostsOf are the hosts of "host:port" addresses: discovery asks on its own port.
func hostsOf(addrs []string) []string {
	var hosts []string
	for _, addr := range addrs {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// query is what a server of this viewer's site answers to; before the viewer is enrolled, any server.
func (a *Agent) query() wsd.Query { return serversOf(a.place().Site) }

// serversOf is what any server of a site answers to; without one, any server.
func serversOf(site string) wsd.Query {
	q := wsd.Query{Types: []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}}}
	if site != "" {
		q.Scopes = []string{protocol.SiteScope(site)}
	}
	return q
}

// discover looks for servers by WS-Discovery.
func (a *Agent) discover(ctx context.Context, found func(session.Candidate)) error {
	return a.client.Probe(ctx, func(d discovery.Device) {
		addrs := d.Addrs(protocol.SchemeSession)
		if len(addrs) == 0 {
			return
		}
		says, _ := protocol.ParseScopes(d.Scopes)
		a.sayFound(d, says, addrs)
		for _, addr := range addrs {
			found(session.Candidate{Addr: addr, Source: session.Found, Announced: says, RTT: d.RTT})
		}
	}, a.query())
}

// maxFound bounds what is remembered of found servers: anybody can answer a probe.
const maxFound = 256

// sayFound remembers a server's addresses, and logs it when it is first found.
func (a *Agent) sayFound(d discovery.Device, says protocol.Announced, addrs []string) {
	a.mu.Lock()
	old, known := a.found[d.EPR]
	if known || len(a.found) < maxFound {
		a.found[d.EPR] = foundServer{merge(addrs, old.session), merge(d.Addrs(protocol.SchemeContent), old.https)}
	}
	a.mu.Unlock()
	if known {
		return
	}
	a.log.Info("Found a server by a WS-Discovery probe in "+d.RTT.Round(10*time.Microsecond).String(),
		"server", addrs[0], "site", says.Site, "role", says.Role, "interface", d.Interface)
}

// maxAddrs bounds what is remembered of the addresses of one server.
const maxAddrs = 16

// merge puts addresses behind newer ones: a search that ends early has heard of a part of them.
func merge(fresh, old []string) []string {
	all := slices.Clone(fresh)
	for _, addr := range old {
		if !slices.Contains(all, addr) && len(all) < maxAddrs {
			all = append(all, addr)
		}
	}
	return all
}

// listener is the task that hears servers come and go: one that starts is found without waiting for the next probe, and
// one that leaves isn't waited for.
type listener struct{ *Agent }

// Run listens until ctx ends.
func (l listener) Run(ctx context.Context) error {
	return l.client.Listen(ctx, func(a discovery.Announcement) {
		l.neighbour(a)
		if a.Bye {
			l.bye(a.Device)
		} else {
			l.hello(a.Device)
		}
	})
}

// hello looks for servers again, also for one that is better than the session's. Anybody can forge a Hello, so that it is only a reason
// to look.
func (l listener) hello(d discovery.Device) {
	if l.session.Status().State != protocol.StateConnected && l.query().Matches(d.Version, d.Endpoint) {
		l.log.Debug("A server says hello", "server", d.EPR)
		l.session.Kick()
	}
}

// bye has the session checked if it is with the server that leaves. Anybody can forge a Bye, so that the server itself is
// asked.
func (l listener) bye(d discovery.Device) {
	l.mu.Lock()
	addrs := l.found[d.EPR].session
	delete(l.found, d.EPR)
	l.mu.Unlock()
	server := l.session.Status().Server
	host, _, _ := net.SplitHostPort(server)
	if server != "" && (slices.Contains(addrs, server) || host == d.From.Addr().String()) {
		l.log.Debug("The server says bye", "server", server)
		l.session.Check()
	}
}

// String names the task.
func (l listener) String() string { return "listener for servers" }

// watcher is the task that follows the machine's networks: one that comes up is a reason to look for a server at once, and
// one that goes or changes its address a reason to doubt the session.
type watcher struct{ *Agent }

// Run watches until ctx ends.
func (w watcher) Run(ctx context.Context) error {
	network.Watch(ctx, func() {
		w.log.Debug("The network has changed")
		w.follower.Kick()
		if w.session.Status().Up() {
			w.session.Check()
		} else {
			// Also in the middle of a search, which may have begun too early.
			w.session.Kick()
		}
	})
	return nil
}

// String names the task.
func (w watcher) String() string { return "watcher of the network" }

// presence is the task by which the viewer itself can be found, by its peers or if its settings say so. Otherwise it answers nothing.
type presence struct{ *Agent }

// Run announces the viewer as soon as it belongs to a site, until ctx ends.
func (p presence) Run(ctx context.Context) error {
	if !p.config.Discovery.Announce && p.exchange == nil || !p.enrolled(ctx) {
		<-ctx.Done()
		return nil
	}
	if p.exchange != nil {
		select {
		case <-p.exchange.Ready():
		case <-ctx.Done():
			return nil
		}
	}
	return p.target().Run(ctx)
}

// enrolled waits until the viewer belongs to a site; false means that ctx has ended.
func (a *Agent) enrolled(ctx context.Context) bool {
	if _, ok := a.identity.Enrolment(); ok {
		return true
	}
	select {
	case <-a.session.Ready():
		return true
	case <-ctx.Done():
		return false
	}
}

func (p presence) target() *discovery.Target {
	e, _ := p.identity.Enrolment()
	says := protocol.Announced{Site: e.Site, Name: e.Name, Location: p.now().Location}
	for _, link := range p.links() {
		says.MACs = append(says.MACs, link.MAC)
	}
	return &discovery.Target{
		EPR:             viewerEPR(e.Viewer),
		Types:           []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ViewerType}},
		Scopes:          says.Scopes(),
		XAddrs:          p.xaddrs,
		MetadataVersion: uint32(p.clock.Now().Unix()), // any of it may have changed since the last start
		Interfaces:      p.config.Discovery.Interfaces,
		Log:             p.log,
	}
}

// xaddrs is where the viewer gives content to its peers, for those that reach it at local.
func (p presence) xaddrs(local netip.Addr) []string {
	if p.exchange == nil {
		return nil
	}
	return []string{protocol.ContentURL(netip.AddrPortFrom(local, p.exchange.Port()).String(), "/")}
}

// viewerEPR makes a UUID of a viewer's id (RFC 9562, section 5.8).
func viewerEPR(viewer string) string {
	h := sha256.Sum256([]byte(protocol.DiscoveryNamespace + " " + viewer))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// String names the task.
func (p presence) String() string { return "announcement of this viewer" }
