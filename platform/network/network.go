// Package network says what network interfaces this machine has, and when that changes.
//
// It owns the look at them and the watch over them; it changes nothing.
package network

import (
	"bytes"
	"net"
	"net/netip"
)

// An Interface is one network interface.
type Interface struct {
	Name  string
	Index int
	// MAC is nil for interfaces that have none.
	MAC net.HardwareAddr
	// Permanent is the one that the card was made with, if it has another one now, as wireless cards do that hide theirs; nil if it hasn't, or that isn't known.
	// A machine that is switched off is woken by it.
	Permanent net.HardwareAddr
	// Addrs are its addresses, with the length of their network's prefix.
	Addrs []netip.Prefix
	Up    bool
	// Running tells whether there is a carrier: a cable that is plugged in, or a wireless network that it belongs to.
	Running  bool
	Loopback bool
	// Multicast tells whether it says that it carries multicast.
	Multicast bool
}

// Interfaces lists the interfaces. One that disappears while it is looked at is left out.
func Interfaces() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	permanent := permanentAddresses()
	var list []Interface
	for _, i := range all {
		if bytes.Equal(permanent[i.Index], i.HardwareAddr) {
			delete(permanent, i.Index)
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		list = append(list, Interface{
			Name: i.Name, Index: i.Index, MAC: i.HardwareAddr, Permanent: permanent[i.Index], Addrs: prefixes(addrs),
			Up:        i.Flags&net.FlagUp != 0,
			Running:   i.Flags&net.FlagRunning != 0,
			Loopback:  i.Flags&net.FlagLoopback != 0,
			Multicast: i.Flags&net.FlagMulticast != 0,
		})
	}
	return list, nil
}

func prefixes(addrs []net.Addr) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		ones, _ := n.Mask.Size()
		list = append(list, netip.PrefixFrom(addr.Unmap(), ones))
	}
	return list
}

// Addresses lists the addresses by which others can reach this machine: those of interfaces that are up, without loopback
// and link-local ones.
func Addresses() ([]netip.Addr, error) {
	interfaces, err := Interfaces()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, i := range interfaces {
		for _, p := range i.Addrs {
			if i.Up && !i.Loopback && p.Addr().IsGlobalUnicast() {
				addrs = append(addrs, p.Addr())
			}
		}
	}
	return addrs, nil
}

// Connected tells whether addr is in a network that this machine is on itself, so that no router is between the two. Loopback
// doesn't count.
func Connected(addr netip.Addr) (bool, error) {
	interfaces, err := Interfaces()
	if err != nil {
		return false, err
	}
	addr = addr.Unmap().WithZone("")
	for _, i := range interfaces {
		for _, p := range i.Addrs {
			if i.Up && !i.Loopback && p.Contains(addr) {
				return true, nil
			}
		}
	}
	return false, nil
}
