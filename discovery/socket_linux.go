package discovery

import (
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// sharePort lets other programs have the port too, and keeps away what arrives for the groups that they joined: Linux
// gives a socket on the wildcard address the multicasts of every interface that any program joined on.
func sharePort(network, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		if network == "udp4" {
			err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0))
			return
		}
		// Since Linux 4.20; before that, the interface in the control message is all there is.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
	})
	return errors.Join(controlErr, err)
}

// memberAddress is the wildcard: a socket bound to an address of its own doesn't get multicasts.
func memberAddress(local netip.Addr) netip.Addr {
	if local.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
