package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"vitrine/discovery/wsd"
)

// A socket is one UDP socket of one family. Exactly one of v4 and v6 is set.
type socket struct {
	conn *net.UDPConn
	v4   *ipv4.PacketConn
	v6   *ipv6.PacketConn
}

// A packet is one datagram as it came in.
type packet struct {
	data  []byte
	from  netip.AddrPort
	to    netip.Addr // not valid where the system doesn't tell
	iface int        // index of the interface, 0 where the system doesn't tell
}

// openSocket binds a socket. With shared set, other programs can use the same port (there is one per machine, and Windows
// and file servers use it too).
func openSocket(ctx context.Context, local netip.AddrPort, shared bool) (*socket, error) {
	var config net.ListenConfig
	if shared {
		config.Control = sharePort
	}
	network := "udp6"
	if local.Addr().Is4() {
		network = "udp4"
	}
	conn, err := config.ListenPacket(ctx, network, local.String())
	if err != nil {
		return nil, err
	}
	return newSocket(conn, local.Addr().Is4()), nil
}

func newSocket(conn net.PacketConn, is4 bool) *socket {
	s := &socket{conn: conn.(*net.UDPConn)}
	if is4 {
		s.v4 = ipv4.NewPacketConn(s.conn)
		// Not every system can tell; the caller lives with less.
		_ = s.v4.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	} else {
		s.v6 = ipv6.NewPacketConn(s.conn)
		_ = s.v6.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	}
	return s
}

// openProbing binds an own address, with port 0 any free port, and sends multicasts out of that link.
func openProbing(ctx context.Context, l *link, local netip.AddrPort) (*socket, error) {
	s, err := openSocket(ctx, local, local.Port() != 0)
	if err != nil {
		return nil, err
	}
	if err := s.sendOn(&l.iface); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// openMember binds the discovery port and joins the group on that link, and only there. One that is deaf gets no unicasts,
// where the system can do that: of several sockets on the port only one gets each, and it would be taken from a target on
// this machine.
func openMember(ctx context.Context, l *link, local netip.Addr, port uint16, deaf bool) (*socket, error) {
	open := openEar
	if deaf {
		open = openDeaf
	}
	s, err := open(ctx, l, local, port)
	if err != nil {
		return nil, err
	}
	if s.v4 != nil {
		err = s.v4.JoinGroup(&l.iface, &net.UDPAddr{IP: group4.AsSlice()})
	} else {
		err = s.v6.JoinGroup(&l.iface, &net.UDPAddr{IP: group6.AsSlice()})
	}
	if err == nil {
		err = s.sendOn(&l.iface)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("join the multicast group: %w", err)
	}
	return s, nil
}

// openEar binds the port for multicasts and unicasts.
func openEar(ctx context.Context, _ *link, local netip.Addr, port uint16) (*socket, error) {
	return openSocket(ctx, netip.AddrPortFrom(memberAddress(local), port), true)
}

// sendOn fixes where multicasts leave, so that no default route is needed; one hop only (SOAP-over-UDP recommends it), and
// with a copy for programs on this machine.
func (s *socket) sendOn(iface *net.Interface) error {
	if s.v4 != nil {
		return errors.Join(s.v4.SetMulticastInterface(iface), s.v4.SetMulticastTTL(1), s.v4.SetMulticastLoopback(true))
	}
	return errors.Join(s.v6.SetMulticastInterface(iface), s.v6.SetMulticastHopLimit(1), s.v6.SetMulticastLoopback(true))
}

// groupAddress is where a multicast from this socket goes.
func (s *socket) groupAddress(l *link, port uint16) netip.AddrPort {
	if s.v4 != nil {
		return netip.AddrPortFrom(group4, port)
	}
	return netip.AddrPortFrom(group6.WithZone(l.iface.Name), port)
}

// receiveBuffer is what a burst of answers may need: a datagram takes up more than twice its size.
const receiveBuffer = 1 << 20

// enlarge asks for a greater receive buffer, and takes what the system gives.
func (s *socket) enlarge() { _ = s.conn.SetReadBuffer(receiveBuffer) }

func (s *socket) close() { s.conn.Close() }

func (s *socket) read(buf []byte) (packet, error) {
	var p packet
	var n int
	var from net.Addr
	var err error
	if s.v4 != nil {
		var control *ipv4.ControlMessage
		if n, control, from, err = s.v4.ReadFrom(buf); control != nil {
			p.to, _ = netip.AddrFromSlice(control.Dst)
			p.iface = control.IfIndex
		}
	} else {
		var control *ipv6.ControlMessage
		if n, control, from, err = s.v6.ReadFrom(buf); control != nil {
			p.to, _ = netip.AddrFromSlice(control.Dst)
			p.iface = control.IfIndex
		}
	}
	if err != nil {
		return packet{}, err
	}
	p.to = p.to.Unmap()
	p.from = from.(*net.UDPAddr).AddrPort()
	p.from = netip.AddrPortFrom(p.from.Addr().Unmap(), p.from.Port())
	p.data = buf[:n]
	return p, nil
}

// reply sends to the source of a packet, out of the interface and from the address that it came to: two networks of one
// machine may have the same addresses.
func (s *socket) reply(data []byte, p packet) error {
	var local netip.Addr
	if !p.to.IsMulticast() {
		local = p.to
	}
	return s.sendFrom(data, p.from, p.iface, local)
}

// sendFrom sends out of an interface and from an own address, where the system can be told: index 0 and an address that
// isn't valid leave the choice to it.
func (s *socket) sendFrom(data []byte, to netip.AddrPort, iface int, local netip.Addr) error {
	var err error
	if s.v4 != nil {
		_, err = s.v4.WriteTo(data, &ipv4.ControlMessage{IfIndex: iface, Src: local.AsSlice()}, net.UDPAddrFromAddrPort(to))
	} else {
		_, err = s.v6.WriteTo(data, &ipv6.ControlMessage{IfIndex: iface, Src: local.AsSlice()}, net.UDPAddrFromAddrPort(to))
	}
	return err
}

func (s *socket) send(data []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(data, to)
	return err
}

// readAll hands each datagram to handle until ctx ends; the packet is only valid during the call. It survives errors that
// concern one peer or a link that is down for a while.
func (s *socket) readAll(ctx context.Context, handle func(packet)) {
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	// One byte more than a message may have, so that a longer one is seen to be too long.
	buf := make([]byte, wsd.MaxSize+1)
	for {
		p, err := s.read(buf)
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			wait(ctx, 50*time.Millisecond)
		default:
			handle(p)
		}
	}
}

// wait returns after d, or false at once when ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
