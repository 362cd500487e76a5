package agent

import (
	"context"
	"crypto/tls"
	"maps"
	"slices"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/peer"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

func (a *Agent) newExchange() *peer.Exchange {
	port := a.config.Content.PeerPort
	if port == 0 {
		port = protocol.SessionPort
	}
	config := func() (*tls.Config, error) { return a.identity.PeerTLS(viewerIdentity{a}.certificateTime) }
	return peer.New(peer.Config{
		Self:   a.epr,
		Open:   a.store.Open,
		Server: config,
		Client: config,
		Port:   port,
		Rate:   a.config.Content.PeerRate,
		Log:    a.log,
	})
}

// epr is the name under which others find this viewer.
func (a *Agent) epr() string {
	e, _ := a.identity.Enrolment()
	return viewerEPR(e.Viewer)
}

// exchange is the task that gives content to peers, as soon as the viewer belongs to a site.
type exchange struct{ *Agent }

// Run gives until ctx ends.
func (e exchange) Run(ctx context.Context) error {
	if e.exchange == nil || !e.enrolled(ctx) {
		<-ctx.Done()
		return nil
	}
	return e.exchange.Run(ctx)
}

// String names the task.
func (e exchange) String() string { return "exchange with peers" }

// neighbours is the task that looks for the viewers of the site on this network.
type neighbours struct{ *Agent }

// lookAround is how often they are looked for; between, they say hello and bye.
const lookAround = 10 * time.Minute

// Run looks until ctx ends.
func (n neighbours) Run(ctx context.Context) error {
	if n.exchange == nil || !n.enrolled(ctx) {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(lookAround)
	defer ticker.Stop()
	for {
		n.look(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look asks who is there. An answer can be lost: who has not been heard of for some rounds has gone.
func (n neighbours) look(ctx context.Context) {
	// Only on this network: no configured hosts behind routers, and no proxies.
	client := &discovery.Client{Interfaces: n.config.Discovery.Interfaces, Log: n.log}
	err := client.Probe(ctx, func(d discovery.Device) {
		n.remember(d)
		if addrs := d.Addrs(protocol.SchemeContent); len(addrs) > 0 {
			n.meet(peer.Peer{Name: d.EPR, Addrs: addrs})
		}
	}, n.viewers())
	n.keepKnown()
	if err != nil {
		n.log.Debug("Other viewers can't be looked for", "err", err)
		return
	}
	n.mu.Lock()
	maps.DeleteFunc(n.near, func(_ string, known neighbour) bool { return time.Since(known.heard) > 3*lookAround })
	n.mu.Unlock()
	n.tellPeers()
}

// String names the task.
func (n neighbours) String() string { return "search for other viewers" }

// viewers is what other viewers of this site answer to.
func (a *Agent) viewers() wsd.Query {
	return wsd.Query{
		Types:  []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ViewerType}},
		Scopes: []string{protocol.SiteScope(a.place().Site)},
	}
}

// neighbour follows viewers that come and go.
func (l listener) neighbour(n discovery.Announcement) {
	if l.exchange == nil || l.place().Site == "" {
		return
	}
	if n.Bye {
		l.mu.Lock()
		delete(l.near, n.Device.EPR)
		l.mu.Unlock()
		l.tellPeers()
		return
	}
	if !l.viewers().Matches(n.Device.Version, n.Device.Endpoint) {
		return
	}
	l.remember(n.Device)
	if addrs := n.Device.Addrs(protocol.SchemeContent); len(addrs) > 0 {
		l.meet(peer.Peer{Name: n.Device.EPR, Addrs: addrs})
	}
}

// maxNear bounds what is remembered of other viewers: anybody can say hello.
const maxNear = 1024

// A neighbour is another viewer of the site on this network.
type neighbour struct {
	peer.Peer
	// heard is when it last said that it is there.
	heard time.Time
}

// meet remembers a viewer.
func (a *Agent) meet(p peer.Peer) {
	a.mu.Lock()
	old, known := a.near[p.Name]
	if !known && len(a.near) >= maxNear || p.Name == a.epr() {
		a.mu.Unlock()
		return
	}
	a.near[p.Name] = neighbour{p, time.Now()}
	a.mu.Unlock()
	if known && slices.Equal(old.Addrs, p.Addrs) {
		return
	}
	if !known {
		a.log.Debug("Found another viewer of this site", "peer", p.Addrs[0])
	}
	a.tellPeers()
}

// tellPeers tells the exchange who is there.
func (a *Agent) tellPeers() {
	var list []peer.Peer
	a.mu.Lock()
	for _, n := range a.near {
		list = append(list, n.Peer)
	}
	a.mu.Unlock()
	a.exchange.Set(list)
}
