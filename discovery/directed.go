package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"vitrine/discovery/wsd"
)

const (
	// maxAddressesPerHost bounds the Probes for a configured name.
	maxAddressesPerHost = 8
	// maxSubnet is how many addresses a configured subnet may have: an IPv4 network of length 24.
	maxSubnet = 256
)

// askHost sends to one configured host, proxy, or subnet.
func (r *round) askHost(ctx context.Context, host string, proxy bool) error {
	addrs, err := resolveHost(ctx, host, orPort(r.client.Port))
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	groups := [][]netip.AddrPort{addrs}
	if !strings.Contains(host, "/") {
		// One answer from any of a host's addresses will do, but each may be the only one that can be reached.
		groups = nil
		for _, a := range addrs {
			groups = append(groups, []netip.AddrPort{a})
		}
	}
	var asking sync.WaitGroup
	for _, group := range groups {
		asking.Go(func() {
			if err := r.askAddresses(ctx, group, proxy); err != nil {
				r.failed(fmt.Errorf("%s: %w", host, err))
			}
		})
	}
	asking.Wait()
	return nil
}

// askAddresses sends to addresses of one family from one socket.
func (r *round) askAddresses(ctx context.Context, to []netip.AddrPort, proxy bool) error {
	local := netip.AddrPortFrom(unspecified(to[0].Addr()), r.client.SourcePort)
	s, err := openSocket(ctx, local, r.client.SourcePort != 0)
	if err != nil {
		return err
	}
	a := r.newAsker(s, nil)
	a.proxy = proxy
	return a.ask(ctx, to, wsd.Version.UnicastCopies)
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// resolveHost takes "host", "host:port" or "address/length", IPv6 addresses with or without brackets.
func resolveHost(ctx context.Context, s string, port uint16) ([]netip.AddrPort, error) {
	if strings.Contains(s, "/") {
		return subnet(s, port)
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), port)}, nil
	}
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("port %q: want a number from 1 to 65535", p)
		}
		host, port = h, uint16(n)
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range found[:min(len(found), maxAddressesPerHost)] {
		list = append(list, netip.AddrPortFrom(a.Unmap(), port))
	}
	return list, nil
}

// subnet lists the addresses of a network, without those that IPv4 keeps for the network itself and for broadcasts.
func subnet(s string, port uint16) ([]netip.AddrPort, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, errNoHost(s)
	}
	prefix = prefix.Masked()
	if bits := prefix.Addr().BitLen() - prefix.Bits(); bits < 0 || 1<<min(bits, 30) > maxSubnet {
		return nil, fmt.Errorf("the network has more than %d addresses; give smaller ones", maxSubnet)
	}
	var list []netip.AddrPort
	for a := prefix.Addr(); a.IsValid() && prefix.Contains(a); a = a.Next() {
		list = append(list, netip.AddrPortFrom(a, port))
	}
	if prefix.Addr().Is4() && len(list) > 2 {
		list = list[1 : len(list)-1]
	}
	return list, nil
}

// CheckHost says whether s can be one of a Client's Hosts or Proxies, without looking a name up.
func CheckHost(s string) error {
	if strings.Contains(s, "/") {
		_, err := subnet(s, wsd.Port)
		return err
	}
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("port %q: want a number from 1 to 65535", p)
		}
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || isHostname(host) {
		return nil
	}
	return errNoHost(s)
}

func errNoHost(s string) error {
	return fmt.Errorf("%.100q: want a name, an address, or a network such as 10.2.0.0/24", s)
}
