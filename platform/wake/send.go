package wake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"vitrine/platform/network"
)

// SendOptions say how a magic packet is sent. The zero value sends it by UDP to port 9 on every network.
type SendOptions struct {
	// Password is a SecureOn password of 4 or 6 bytes; nil for none.
	Password []byte
	// Broadcast is the address to send to, in place of each interface's own broadcast address. It may be any address, for a
	// relay in another network.
	Broadcast netip.Addr
	// Interface is the one to use; empty uses all.
	Interface string
	// Ports are the UDP ports; none means 9.
	Ports []uint16
	// Raw sends an Ethernet frame on each interface too, which needs CAP_NET_RAW on Linux and isn't possible elsewhere.
	Raw bool
}

// Send sends a magic packet for a hardware address, and says in words where to. A failure on one way doesn't keep it from
// the others; the error joins them all.
func Send(ctx context.Context, mac net.HardwareAddr, o SendOptions) (sent []string, err error) {
	if !isMachine(mac) {
		return nil, fmt.Errorf("%v is no machine's hardware address", mac)
	}
	if len(o.Ports) == 0 {
		o.Ports = []uint16{9}
	}
	interfaces, err := usable(o.Interface)
	if err != nil {
		return nil, err
	}
	payload := Packet(mac, o.Password)
	var failures []error
	note := func(to string, err error) {
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", to, err))
			return
		}
		sent = append(sent, to)
	}
	for _, to := range destinations(interfaces, o) {
		for _, port := range o.Ports {
			dest := netip.AddrPortFrom(to, port)
			note("UDP "+dest.String(), sendUDP(ctx, dest, payload))
		}
	}
	if o.Raw {
		for _, i := range interfaces {
			note("Ethernet frames on "+i.Name, explain(sendFrame(ctx, i.Name, payload)))
		}
	}
	if len(sent) == 0 && len(failures) == 0 {
		failures = append(failures, errors.New("no network interface is up"))
	}
	return sent, errors.Join(failures...)
}

func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("this needs root or the capability CAP_NET_RAW: %w", err)
	}
	return err
}

// usable lists the interfaces to send on.
func usable(only string) ([]network.Interface, error) {
	all, err := network.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []network.Interface
	for _, i := range all {
		if i.Up && !i.Loopback && (only == "" || i.Name == only) {
			list = append(list, i)
		}
	}
	if only != "" && len(list) == 0 {
		return nil, fmt.Errorf("there is no network interface %q that is up", only)
	}
	return list, nil
}

// destinations are the addresses to send to.
func destinations(interfaces []network.Interface, o SendOptions) []netip.Addr {
	if o.Broadcast.IsValid() {
		return []netip.Addr{o.Broadcast}
	}
	var list []netip.Addr
	for _, i := range interfaces {
		ipv6 := false
		for _, p := range i.Addrs {
			if b, ok := broadcastOf(p); ok {
				list = append(list, b)
			}
			ipv6 = ipv6 || p.Addr().Is6()
		}
		if ipv6 && i.Multicast {
			list = append(list, allNodes.WithZone(i.Name))
		}
	}
	if len(list) == 0 && o.Interface == "" && len(interfaces) > 0 {
		// The last resort: it leaves by one interface only, and not at all from a machine without a default route.
		list = append(list, netip.AddrFrom4([4]byte{255, 255, 255, 255}))
	}
	return list
}

// allNodes is IPv6's nearest thing to a broadcast (RFC 4291, section 2.7.1).
var allNodes = netip.MustParseAddr("ff02::1")

// broadcastOf is the highest address of an IPv4 network; a network of one or two addresses has none.
func broadcastOf(p netip.Prefix) (netip.Addr, bool) {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}, false
	}
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b), true
}

// sendUDP sends one datagram; Go allows broadcasts on every UDP socket.
func sendUDP(ctx context.Context, to netip.AddrPort, payload []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(payload)
	return err
}
