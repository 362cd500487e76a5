package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
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

// openDeaf binds the group's address: such a socket gets what is sent there, and nothing else. The net package would bind the
// wildcard instead.
func openDeaf(_ context.Context, l *link, local netip.Addr, port uint16) (*socket, error) {
	family, network, address := unix.AF_INET, "udp4", unix.Sockaddr(&unix.SockaddrInet4{Port: int(port), Addr: group4.As4()})
	if !local.Is4() {
		family, network = unix.AF_INET6, "udp6"
		address = &unix.SockaddrInet6{Port: int(port), Addr: group6.As16(), ZoneId: uint32(l.iface.Index)}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "discovery")
	defer f.Close() // the connection has a descriptor of its own
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := sharePort(network, "", raw); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, address); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return newSocket(conn, local.Is4()), nil
}
