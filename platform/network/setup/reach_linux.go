package setup

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"slices"
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

// gateways are those of the default routes by way of an interface.
func gateways(via string) []netip.Addr {
	var list []netip.Addr
	four, _ := os.ReadFile("/proc/net/route") // missing without IPv4
	for line := range strings.Lines(string(four)) {
		// Iface, Destination, Gateway, Flags, …
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" || via != "" && fields[0] != via {
			continue
		}
		if addr, ok := parseHex(fields[2]); ok && !addr.IsUnspecified() {
			list = append(list, addr)
		}
	}
	six, _ := os.ReadFile("/proc/net/ipv6_route") // missing without IPv6
	for line := range strings.Lines(string(six)) {
		// Destination and the length of its prefix, those of the source, next hop, metric, references, uses, flags, interface
		fields := strings.Fields(line)
		if len(fields) < 10 || strings.Trim(fields[0]+fields[1], "0") != "" || via != "" && fields[9] != via {
			continue
		}
		b, err := hex.DecodeString(fields[4])
		addr, ok := netip.AddrFromSlice(b)
		if err != nil || !ok || addr.IsUnspecified() {
			continue
		}
		if addr.IsLinkLocalUnicast() {
			addr = addr.WithZone(fields[9])
		}
		list = append(list, addr)
	}
	return list
}

// heard are the states in which a host's hardware address is known (NUD_VALID of the kernel).
const heard = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE | unix.NUD_PROBE | unix.NUD_STALE | unix.NUD_DELAY

// neighbour tells whether the hardware address of a host on an interface's network is known.
func neighbour(via string, addr netip.Addr) bool {
	index := 0
	if name := cmp.Or(via, addr.Zone()); name != "" {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return false
		}
		index = i.Index
	}
	table, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, unix.AF_UNSPEC)
	if err != nil {
		return false
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	return err == nil && slices.ContainsFunc(messages, func(m syscall.NetlinkMessage) bool {
		// The head is struct ndmsg of rtnetlink(7): family, padding, index, state, flags, type.
		return m.Header.Type == unix.RTM_NEWNEIGH && len(m.Data) >= unix.SizeofNdMsg &&
			(index == 0 || int(binary.NativeEndian.Uint32(m.Data[4:])) == index) && binary.NativeEndian.Uint16(m.Data[8:])&heard != 0 &&
			destination(m.Data[unix.SizeofNdMsg:]) == addr.WithZone("")
	})
}

// destination is the address in the attributes of a neighbour.
func destination(attributes []byte) (addr netip.Addr) {
	for len(attributes) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(attributes))
		if size < unix.SizeofRtAttr || size > len(attributes) {
			break
		}
		if binary.NativeEndian.Uint16(attributes[2:]) == unix.NDA_DST {
			addr, _ = netip.AddrFromSlice(attributes[unix.SizeofRtAttr:size])
			return addr
		}
		attributes = attributes[min((size+3)&^3, len(attributes)):]
	}
	return addr
}
