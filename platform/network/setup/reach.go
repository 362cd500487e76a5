package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"vitrine/platform/network"
)

// dialTimeout bounds a connection; a gateway that doesn't exist is known to be missing by then.
const dialTimeout = 10 * time.Second

// Await waits until the machine is connected as the settings want it, and one of some hosts, as "host:port", or a gateway can be reached; the error says
// what is still missing after that time. There may be more hosts as time goes by.
func (s System) Await(ctx context.Context, settings Settings, hosts func() []string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(500 * time.Millisecond)
	defer again.Stop()
	for {
		via, err := s.settled(settings)
		if err == nil {
			err = reach(ctx, via, hosts())
		}
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}

// settled finds the interface on which the settings are in effect, or says what is still missing for that. Where they leave it open which one it is, via is
// empty: it is all of them.
func (s System) settled(settings Settings) (via string, err error) {
	interfaces, err := network.Interfaces()
	if err != nil {
		return "", err
	}
	for _, i := range interfaces {
		if i.Loopback || !i.Up || !i.Running || settings.Interface != "" && settings.Interface != i.Name || settings.SSID != "" && !s.joined(i.Name, settings.SSID) {
			continue
		}
		for _, p := range i.Addrs {
			if p != settings.Address && (settings.Address.IsValid() || !p.Addr().IsGlobalUnicast()) {
				continue
			}
			if settings.Interface == "" && settings.SSID == "" {
				return "", nil
			}
			return i.Name, nil
		}
	}
	switch {
	case settings.SSID != "" && !slices.ContainsFunc(interfaces, func(i network.Interface) bool { return s.joined(i.Name, settings.SSID) }):
		return "", fmt.Errorf("no radio has joined the wireless network %q", settings.SSID)
	case settings.Address.IsValid():
		return "", errors.New("no interface has the address " + settings.Address.String())
	}
	return "", errors.New("the network has given no address")
}

// joined tells whether an interface is a radio, and in that network; a radio may have gone back to one that it knew before. A kernel that doesn't say
// which one it is is believed.
func (s System) joined(name, ssid string) bool {
	if !s.exists("sys/class/net/" + name + "/wireless") {
		return false
	}
	at, ok := wirelessNetwork(name)
	return !ok || at == ssid
}

// reach says why none of some hosts, nor a gateway of this machine, can be reached by way of an interface, or, if that is empty, by any.
func reach(ctx context.Context, via string, hosts []string) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	gateways := gateways(via)
	found := make(chan bool, len(hosts)+len(gateways))
	for _, host := range hosts {
		go func() { found <- answers(ctx, via, host) }()
	}
	for _, g := range gateways {
		go func() { found <- answers(ctx, via, net.JoinHostPort(g.String(), "53")) || neighbour(via, g) }()
	}
	for range cap(found) {
		if <-found {
			return nil
		}
	}
	if len(gateways) == 0 && len(hosts) == 0 {
		return errors.New("the network has no gateway, and no server is known or found; name the server in `servers`")
	}
	return errors.New("neither a server nor the network's gateway answers")
}

// answers tells whether a host is there: one that refuses is.
func answers(ctx context.Context, via, addr string) bool {
	conn, err := (&net.Dialer{Control: through(via)}).DialContext(ctx, "tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err == nil || errors.Is(err, syscall.ECONNREFUSED)
}

// parseHex reads an IPv4 address of /proc/net/route, in the machine's order of bytes.
func parseHex(s string) (netip.Addr, bool) {
	if len(s) != 8 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i := range b {
		n := 0
		for _, c := range []byte(s[2*i : 2*i+2]) {
			switch {
			case c >= '0' && c <= '9':
				n = n<<4 | int(c-'0')
			case c >= 'A' && c <= 'F':
				n = n<<4 | int(c-'A'+10)
			default:
				return netip.Addr{}, false
			}
		}
		b[3-i] = byte(n)
	}
	return netip.AddrFrom4(b), true
}
