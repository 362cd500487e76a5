package setup

import (
	"net/netip"
	"os"
	"strings"
)

// gateways are those of the default routes, of IPv4.
func gateways() []netip.Addr {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil
	}
	var list []netip.Addr
	for line := range strings.Lines(string(data)) {
		// Iface, Destination, Gateway, Flags, …
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" {
			continue
		}
		if addr, ok := parseHex(fields[2]); ok && !addr.IsUnspecified() {
			list = append(list, addr)
		}
	}
	return list
}

// neighbour tells whether the hardware address of a host on this network is known.
func neighbour(addr netip.Addr) bool {
	data, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		// IP address, HW type, Flags, HW address, …
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[0] == addr.String() && fields[2] == "0x2" {
			return true
		}
	}
	return false
}
