package wake

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// listenFrames opens the sockets for magic packets on one interface: in frames of their own type, and in UDP datagrams to any port. Each has a
// filter in the kernel. It needs CAP_NET_RAW.
func listenFrames(name string) ([]tap, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	var taps []tap
	for _, t := range []struct {
		etherType int
		filter    []bpf.Instruction
		ip        bool
	}{{etherMagic, inFrame, false}, {etherIPv4, inIPv4, true}, {etherIPv6, inIPv6, true}} {
		filter, err := bpf.Assemble(t.filter)
		if err == nil {
			var conn net.PacketConn
			if conn, err = packet.Listen(i, packet.Datagram, t.etherType, &packet.Config{Filter: filter}); err == nil {
				taps = append(taps, tap{conn, t.ip})
				continue
			}
		}
		for _, open := range taps {
			open.conn.Close()
		}
		return nil, err
	}
	return taps, nil
}

// listenUDP opens a UDP port, on no address: a socket with one hears no broadcasts. Its filter keeps away what has no magic packet in it.
func listenUDP(ctx context.Context, port uint16) (net.PacketConn, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if failed := c.Control(func(fd uintptr) { err = attach(int(fd), inDatagram) }); failed != nil {
			return failed
		}
		return err
	}}
	return config.ListenPacket(ctx, "udp", fmt.Sprintf(":%d", port))
}

// attach gives a socket a filter.
func attach(fd int, filter []bpf.Instruction) error {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// sourceMAC is the hardware address that a frame came from.
func sourceMAC(from net.Addr) net.HardwareAddr {
	if a, ok := from.(*packet.Addr); ok {
		return a.HardwareAddr
	}
	return nil
}

// sendFrame sends a payload as an Ethernet broadcast on one interface. It needs CAP_NET_RAW.
func sendFrame(_ context.Context, name string, payload []byte) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	conn, err := packet.Listen(i, packet.Datagram, etherMagic, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.WriteTo(payload, &packet.Addr{HardwareAddr: net.HardwareAddr(syncBytes)})
	return err
}
