package setup

import (
	"net/netip"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// through has a connection go by way of an interface, unless that is empty, whatever the routes say. Without the right to that (before Linux 5.7, CAP_NET_RAW) it
// goes as all do.
func through(via string) func(network, address string, c syscall.RawConn) error {
	if via == "" {
		return nil
	}
	return func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.BindToDevice(int(fd), via) })
	}
}

// wirelessNetwork is the name of the network that a radio is in, empty for none; ok is false if the kernel doesn't say. It asks by the
// wireless extensions (linux/wireless.h), which cfg80211 answers for its drivers, but for those of Wi-Fi 7.
func wirelessNetwork(name string) (ssid string, ok bool) {
	const (
		siocgiwessid = 0x8b1b
		maxSSID      = 32
	)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	var text [maxSSID + 1]byte
	request := struct { // iwreq, with an iw_point
		name    [unix.IFNAMSIZ]byte
		pointer *byte
		length  uint16
		flags   uint16
		_       [8]byte
	}{pointer: &text[0], length: maxSSID}
	if copy(request.name[:unix.IFNAMSIZ-1], name) != len(name) {
		return "", false
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), siocgiwessid, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return "", false
	}
	if request.flags == 0 {
		return "", true
	}
	return string(text[:min(int(request.length), maxSSID)]), true
}

// gateways are those of the default routes, of IPv4, by way of an interface.
func gateways(via string) []netip.Addr {
	data, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil
	}
	var list []netip.Addr
	for line := range strings.Lines(string(data)) {
		// Iface, Destination, Gateway, Flags, …
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" || via != "" && fields[0] != via {
			continue
		}
		if addr, ok := parseHex(fields[2]); ok && !addr.IsUnspecified() {
			list = append(list, addr)
		}
	}
	return list
}

// neighbour tells whether the hardware address of a host on an interface's network is known.
func neighbour(via string, addr netip.Addr) bool {
	data, err := os.ReadFile("/proc/net/arp")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		// IP address, HW type, Flags, HW address, Mask, Device
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[0] == addr.String() && fields[2] == "0x2" && (via == "" || fields[5] == via) {
			return true
		}
	}
	return false
}
