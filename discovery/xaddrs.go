package discovery

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The ranks of transport addresses, best first.
const (
	rankLink        = iota // a literal address on the network that the answer came by
	rankLinkLocal          // the same, but one that means something on that interface only
	rankNear               // a literal on another network of this machine
	rankRouted             // any other literal
	rankName               // a name, which this machine may not be able to resolve
	rankSource             // put together from the answer's source, where the target named an address that means itself
	rankUnreachable        // a link-local address of no network here
)

// An xaddr is a transport address with its rank.
type xaddr struct {
	text string
	rank int
}

// A route is how an answer came in.
type route struct {
	from  netip.Addr
	link  *link // nil for a directed Probe
	links neighbourhood
	// proxied tells that the answer is about somebody else than its source.
	proxied bool
}

// rank puts transport addresses into the order to try them in, and repairs what targets get wrong: an address that means
// "this machine" becomes the source of the answer, a link-local IPv6 address gets the zone of the interface, and a name
// gets the source's address as a fallback. What is no URL with a host, or could never be dialled, is left out.
func (r route) rank(list []string) []xaddr {
	var ranked []xaddr
	for _, text := range list {
		u, ok := parseXAddr(text)
		if !ok {
			continue
		}
		if strings.Contains(u.host, ":") {
			u.host, _, _ = strings.Cut(u.host, "%") // the zone is an interface of the sender's
		}
		addr, err := netip.ParseAddr(u.host)
		switch {
		case err == nil:
			if a, rank, ok := r.rankLiteral(addr.Unmap()); ok {
				ranked = append(ranked, xaddr{u.with(a.String()), rank})
			}
		case strings.EqualFold(u.host, "localhost"):
			if r.proxied {
				continue
			}
			if r.links.owns(r.from) {
				ranked = append(ranked, xaddr{u.with(u.host), rankLink})
			} else {
				ranked = append(ranked, xaddr{u.with(r.from.String()), rankSource})
			}
		case isHostname(u.host):
			ranked = append(ranked, xaddr{u.with(u.host), rankName})
			if !r.proxied {
				ranked = append(ranked, xaddr{u.with(r.from.String()), rankSource})
			}
		}
	}
	return mergeXAddrs(nil, ranked)
}

// rankLiteral may replace the address; ok is false if nobody can be there.
func (r route) rankLiteral(a netip.Addr) (_ netip.Addr, rank int, ok bool) {
	switch {
	case a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return a, 0, false
	case r.proxied && (a.IsLoopback() || a.IsUnspecified()):
		return a, 0, false
	case a.IsLoopback() && r.links.owns(r.from):
		return a, rankLink, true
	case a.IsLoopback() || a.IsUnspecified():
		return r.from, rankSource, true
	case r.link != nil && r.link.contains(a):
		if a.Is6() && a.IsLinkLocalUnicast() {
			return a.WithZone(r.link.iface.Name), rankLinkLocal, true
		}
		return a, rankLink, true
	case a == r.from.WithZone(""):
		return r.from, rankLink, true
	case a.IsLinkLocalUnicast() && (a.Is6() || !r.links.contains(a)):
		return a, rankUnreachable, true
	case r.links.contains(a):
		return a, rankNear, true
	}
	return a, rankRouted, true
}

// mergeXAddrs adds addresses to a ranked list, keeps one of each, and at most maxAddresses.
func mergeXAddrs(old, more []xaddr) []xaddr {
	merged := slices.Clone(old)
	for _, x := range more {
		i := slices.IndexFunc(merged, func(y xaddr) bool { return y.text == x.text })
		if i < 0 {
			merged = append(merged, x)
		} else {
			merged[i].rank = min(merged[i].rank, x.rank)
		}
	}
	slices.SortStableFunc(merged, func(x, y xaddr) int { return x.rank - y.rank })
	return merged[:min(len(merged), maxAddresses)]
}

// An xaddrURL is a transport address taken apart by hand: targets write zones that net/url refuses.
type xaddrURL struct {
	scheme, host, port string // host without brackets
	rest               string // from the first slash on
}

// parseXAddr refuses user names, which no target has a reason to give, and ports that don't exist.
func parseXAddr(text string) (u xaddrURL, ok bool) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || scheme == "" {
		return u, false
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, u.rest = rest[:i], rest[i:]
	}
	u.scheme = strings.ToLower(scheme)
	if inner, bracketed := strings.CutPrefix(authority, "["); bracketed {
		var closed bool
		if u.host, u.port, closed = strings.Cut(inner, "]"); !closed || u.port != "" && u.port[0] != ':' {
			return u, false
		}
		u.port = strings.TrimPrefix(u.port, ":")
	} else {
		u.host, u.port, _ = strings.Cut(authority, ":")
	}
	if u.host == "" || strings.ContainsRune(authority, '@') {
		return u, false
	}
	if u.port != "" {
		n, err := strconv.ParseUint(u.port, 10, 16)
		return u, err == nil && n > 0
	}
	return u, true
}

// with writes the URL with another host, a zone as RFC 6874 says.
func (u xaddrURL) with(host string) string {
	if strings.Contains(host, ":") {
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	if u.port != "" {
		host += ":" + u.port
	}
	return u.scheme + "://" + host + u.rest
}

// isHostname takes names of letters, digits, hyphens, dots and underscores. One whose last part begins with a digit could
// be read as an IPv4 address in an old notation by the system's resolver, and is refused.
func isHostname(s string) bool {
	last := s[strings.LastIndexByte(strings.TrimSuffix(s, "."), '.')+1:]
	if len(s) > 253 || last == "" || last[0] >= '0' && last[0] <= '9' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	})
}

// defaultPorts are those of the schemes that signage uses.
var defaultPorts = map[string]string{"http": "80", "https": "443", "mqtt": "1883", "mqtts": "8883"}

// Addrs gives the addresses of the device's XAddrs (section 5.3) with that scheme, as "host:port" for net.Dial, in the order to try
// them in.
func (d Device) Addrs(scheme string) []string {
	var list []string
	scheme = strings.ToLower(scheme)
	for _, text := range d.XAddrs {
		u, ok := parseXAddr(text)
		if !ok || u.scheme != scheme {
			continue
		}
		u.host = strings.Replace(u.host, "%25", "%", 1)
		if u.port == "" {
			u.port = defaultPorts[scheme]
		}
		if addr := net.JoinHostPort(u.host, u.port); u.port != "" && !slices.Contains(list, addr) {
			list = append(list, addr)
		}
	}
	return list
}
