package sntp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vitrine/platform/clock/counter"
)

// stamps read datagrams with the time at which the kernel had them, which on a busy machine is long before a process runs.
type stamps struct {
	conn net.Conn
	udp  *net.UDPConn
	// apart is how far the system clock was ahead of the counter when the question was sent.
	apart time.Duration
}

// steady is by how much the two may drift apart during an exchange; more means that somebody set the system clock.
const steady = 100 * time.Microsecond

func newStamps(c net.Conn) *stamps {
	s := &stamps{conn: c}
	udp, ok := c.(*net.UDPConn)
	if !ok {
		return s
	}
	raw, err := udp.SyscallConn()
	if err != nil {
		return s
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	if err == nil && failed == nil {
		s.udp = udp
	}
	return s
}

// mark notes the state of the clocks at the start of an exchange.
func (s *stamps) mark() { s.apart = apart() }

// read reads a datagram, and gives the counter's reading at the time it came.
func (s *stamps) read(b []byte) (int, time.Duration, error) {
	if s.udp == nil {
		n, err := s.conn.Read(b)
		return n, counter.Now(), err
	}
	var oob [128]byte
	n, oobn, _, _, err := s.udp.ReadMsgUDP(b, oob[:])
	now := counter.Now()
	if err != nil {
		return n, now, err
	}
	ahead := apart()
	if stamp, ok := stampOf(oob[:oobn]); ok && (ahead-s.apart).Abs() < steady {
		if at := time.Duration(stamp.UnixNano()) - ahead; at <= now && now-at < Timeout {
			return n, at, nil
		}
	}
	return n, now, nil
}

// readFrom reads a datagram of anybody, and gives how long it has waited to be read.
func (s *stamps) readFrom(b []byte) (n int, peer netip.AddrPort, waited time.Duration, err error) {
	if s.udp == nil {
		n, peer, err = s.conn.(*net.UDPConn).ReadFromUDPAddrPort(b)
		return n, peer, 0, err
	}
	var oob [128]byte
	n, oobn, _, peer, err := s.udp.ReadMsgUDPAddrPort(b, oob[:])
	if err != nil {
		return n, peer, 0, err
	}
	if stamp, ok := stampOf(oob[:oobn]); ok {
		// Who asked so long ago waits no more: somebody has set the system clock since.
		if w := time.Since(stamp); w > 0 && w < Timeout {
			waited = w
		}
	}
	return n, peer, waited, nil
}

// stampOf finds the kernel's timestamp among the control messages.
func stampOf(oob []byte) (time.Time, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}, false
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SO_TIMESTAMPNS {
			continue
		}
		switch order := binary.NativeEndian; len(m.Data) {
		case 8: // on machines of 32 bits
			return time.Unix(int64(int32(order.Uint32(m.Data))), int64(int32(order.Uint32(m.Data[4:])))), true
		case 16:
			return time.Unix(int64(order.Uint64(m.Data)), int64(order.Uint64(m.Data[8:]))), true
		}
	}
	return time.Time{}, false
}

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
