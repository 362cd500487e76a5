package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An exemption is one entry of NO_PROXY. There is no standard for them; these are the rules of golang.org/x/net/http/httpproxy,
// which most Go programs on the same machine follow. Its package is not used here for its 130 kB of tables of international
// names.
type exemption struct {
	// all stands for every target.
	all bool
	// network is an address or network.
	network netip.Prefix
	// name is a host name, and below alone says that only those below it are meant.
	name  string
	below bool
	// port limits it to one port; empty means any.
	port string
}

type exemptions []exemption

// CheckExempt says whether s can be an entry of Config.Exempt.
func CheckExempt(s string) error {
	_, err := parseExemption(s)
	return err
}

func parseExemptions(list []string) (exemptions, error) {
	var all exemptions
	for _, s := range list {
		e, err := parseExemption(s)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

func parseExemption(s string) (exemption, error) {
	bad := fmt.Errorf("%.100q: want a name such as signage.example.org, an address, a network such as 10.0.0.0/8, or *", s)
	host := strings.ToLower(strings.TrimSpace(s))
	if host == "*" {
		return exemption{all: true}, nil
	}
	if strings.Contains(host, "/") {
		network, err := netip.ParsePrefix(host)
		if err != nil {
			return exemption{}, bad
		}
		return exemption{network: network.Masked()}, nil
	}
	var e exemption
	if h, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return exemption{}, bad
		}
		host, e.port = h, port
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		ip = ip.Unmap()
		e.network = netip.PrefixFrom(ip.WithZone(""), ip.BitLen())
		return e, nil
	}
	host = strings.TrimPrefix(host, "*")
	e.name, e.below = strings.TrimPrefix(host, "."), strings.HasPrefix(host, ".")
	if e.name == "" || strings.ContainsAny(e.name, ":,;[]*@ \t") {
		return exemption{}, bad
	}
	return e, nil
}

// match tells whether a target, in lower case, is one of them.
func (l exemptions) match(host, port string) bool {
	ip, err := netip.ParseAddr(host)
	for _, e := range l {
		switch {
		case e.all:
			return true
		case e.port != "" && e.port != port:
		case e.network.IsValid():
			if err == nil && e.network.Contains(ip.Unmap().WithZone("")) {
				return true
			}
		case strings.HasSuffix(host, "."+e.name), host == e.name && !e.below:
			return true
		}
	}
	return false
}
