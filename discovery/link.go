package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// A link is a network interface with its addresses, as they were at one moment.
type link struct {
	iface    net.Interface
	prefixes []netip.Prefix // each address with the length of its network's prefix
}

// findLinks gives the interfaces that are up and carry multicast, and loopback, which carries it on every system although
// Linux doesn't flag it: that is how two programs on one machine find each other without a network. If names is not
// empty, only those.
func findLinks(names []string) ([]link, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("network interfaces: %w", err)
	}
	var links []link
	for _, iface := range interfaces {
		usable := iface.Flags&net.FlagUp != 0 && iface.Flags&(net.FlagMulticast|net.FlagLoopback) != 0
		if !usable || len(names) > 0 && !slices.Contains(names, iface.Name) {
			continue
		}
		addrs, err := iface.Addrs()
		if err != nil {
			continue // it went away in between
		}
		l := link{iface: iface}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				l.prefixes = append(l.prefixes, prefix)
			}
		}
		if len(l.prefixes) > 0 {
			links = append(links, l)
		}
	}
	return links, nil
}

func (l *link) loopback() bool { return l.iface.Flags&net.FlagLoopback != 0 }

// sources are the addresses to send multicasts from: every IPv4 address, since a host with several networks on one cable
// answers only to its own, and the IPv6 link-local one.
func (l *link) sources() []netip.Addr {
	var list []netip.Addr
	for _, p := range l.prefixes {
		a := p.Addr()
		switch {
		case a.Is4():
			list = append(list, a)
		case a.IsLinkLocalUnicast() && !slices.ContainsFunc(list, netip.Addr.Is6):
			list = append(list, a.WithZone(l.iface.Name))
		}
	}
	return list
}

// contains tells whether a host with that address is directly connected to this interface.
func (l *link) contains(a netip.Addr) bool {
	a = a.WithZone("")
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// owns tells whether the address is one of the interface's own.
func (l *link) owns(a netip.Addr) bool {
	a = a.WithZone("")
	return slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr() == a })
}

// facing is the interface's own address in the network of peer, or else its first of that family.
func (l *link) facing(peer netip.Addr) netip.Addr {
	var first netip.Addr
	for _, p := range l.prefixes {
		if p.Addr().Is4() != peer.Is4() {
			continue
		}
		if p.Contains(peer.WithZone("")) {
			return p.Addr()
		}
		if !first.IsValid() {
			first = p.Addr()
		}
	}
	return first
}

// A neighbourhood is all links of this machine.
type neighbourhood []link

func (n neighbourhood) owns(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(n, func(l link) bool { return l.owns(a) })
}

func (n neighbourhood) contains(a netip.Addr) bool {
	return slices.ContainsFunc(n, func(l link) bool { return l.contains(a) })
}

func (n neighbourhood) byIndex(index int) *link {
	for i := range n {
		if n[i].iface.Index == index {
			return &n[i]
		}
	}
	return nil
}

// delivers tells whether a datagram from source is believable on link l: the source is a host on that network or, since
// the machine's own datagrams to itself come by loopback, the machine.
func (n neighbourhood) delivers(l *link, source netip.Addr) bool {
	return l.contains(source) || l.loopback() && n.owns(source)
}
