//go:build !linux

package sntp

import (
	"net"
	"net/netip"
	"time"

	"vitrine/platform/clock/counter"
)

// stamps read datagrams with the time at which the process had them.
type stamps struct{ conn net.Conn }

func newStamps(c net.Conn) *stamps { return &stamps{c} }

func (s *stamps) mark() {}

func (s *stamps) read(b []byte) (int, time.Duration, error) {
	n, err := s.conn.Read(b)
	return n, counter.Now(), err
}

func (s *stamps) readFrom(b []byte) (n int, peer netip.AddrPort, waited time.Duration, err error) {
	n, peer, err = s.conn.(*net.UDPConn).ReadFromUDPAddrPort(b)
	return n, peer, 0, err
}

func isRefused(error) bool { return false }
