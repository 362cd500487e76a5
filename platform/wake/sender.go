package wake

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// A Sender is who may wake this machine: a network, or one hardware address.
type Sender struct {
	Network netip.Prefix
	MAC     net.HardwareAddr
}

// ParseSender reads an address such as 10.0.0.5, a network such as 10.0.0.0/24, or a hardware address.
func ParseSender(s string) (Sender, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return Sender{Network: p.Masked()}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return Sender{Network: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	if mac, err := net.ParseMAC(s); err == nil && isMachine(mac) {
		return Sender{MAC: mac}, nil
	}
	return Sender{}, fmt.Errorf("%.60q: want an address such as 10.0.0.5, a network such as 10.0.0.0/24, or a MAC address", s)
}

// A source is where a packet came from, as far as that is known.
type source struct {
	addr netip.Addr
	mac  net.HardwareAddr
}

// admits tells whether a source is one of the senders; without any, everybody is. Anybody can forge where a packet comes from: this keeps mistakes
// away, and passers-by.
func admits(senders []Sender, from source) bool {
	addr := from.addr.Unmap().WithZone("")
	return len(senders) == 0 || slices.ContainsFunc(senders, func(s Sender) bool {
		return s.Network.IsValid() && s.Network.Contains(addr) || len(s.MAC) > 0 && bytes.Equal(s.MAC, from.mac)
	})
}
