package network

import (
	"encoding/binary"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// permanentAddresses are the hardware addresses that cards were made with, by the number of the interface; those that can't be known are left out.
func permanentAddresses() map[int]net.HardwareAddr {
	table, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return nil
	}
	return permanentIn(table)
}

// permanentIn reads what the kernel says of its links (rtnetlink(7)): struct ifinfomsg, with the number at 4, and attributes. Kernels before 5.6 don't say it.
func permanentIn(table []byte) map[int]net.HardwareAddr {
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil
	}
	list := map[int]net.HardwareAddr{}
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			continue
		}
		for _, a := range attributes {
			if a.Attr.Type == unix.IFLA_PERM_ADDRESS && len(a.Value) == 6 {
				list[int(binary.NativeEndian.Uint32(m.Data[4:]))] = net.HardwareAddr(a.Value)
			}
		}
	}
	return list
}
