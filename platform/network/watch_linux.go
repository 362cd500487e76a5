package network

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listen calls hint for every message of the kernel's about links and addresses (rtnetlink(7)), until ctx ends. An error
// means that no more will come.
func listen(ctx context.Context, hint func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("netlink socket", err)
	}
	socket := os.NewFile(uintptr(fd), "netlink")
	defer socket.Close()
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return os.NewSyscallError("netlink bind", err)
	}
	stop := context.AfterFunc(ctx, func() { socket.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	hint() // for what happened before
	buf := make([]byte, 64<<10)
	for {
		_, err := socket.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, syscall.ENOBUFS):
			return err
		}
		// What the messages say is looked up afresh. ENOBUFS is that some were lost.
		hint()
	}
}

// An addressState is what the kernel says of the use of an address of an interface.
type addressState struct {
	index [4]byte
	addr  netip.Addr
	// usable is false while the address is tentative, or if another machine has it: then it can't be bound.
	usable bool
}

// addressStates lists what net.Interface.Addrs doesn't tell of the addresses of all interfaces.
func addressStates() (any, error) {
	table, err := syscall.NetlinkRIB(unix.RTM_GETADDR, unix.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("netlink addresses", err)
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, os.NewSyscallError("netlink addresses", err)
	}
	var list []addressState
	for _, m := range messages {
		// The head is struct ifaddrmsg of rtnetlink(7): family, length of the prefix, flags, scope, index.
		if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, os.NewSyscallError("netlink addresses", err)
		}
		for _, a := range attributes {
			if addr, ok := netip.AddrFromSlice(a.Value); ok && a.Attr.Type == unix.IFA_ADDRESS {
				usable := m.Data[2]&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0
				list = append(list, addressState{[4]byte(m.Data[4:8]), addr, usable})
			}
		}
	}
	return list, nil
}
