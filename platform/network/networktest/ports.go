// Package networktest gives tests the ports for programs that can't be told to take any port. It never opens one for longer than to see that it is free.
package networktest

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
)

// Below what kernels give to those who ask for any port: a port from there may be gone to somebody's connection before the test's program takes it.
const first, ports = 20_000, 10_000

// next is the port that is tried next, from first. Tests of other packages, which run at the same time, begin elsewhere.
var next atomic.Uint32

func init() { next.Store(rand.Uint32N(ports)) }

// FreePort is a port that nobody uses, for UDP or for TCP, on any address. It isn't given again for as long as there are others.
func FreePort(t testing.TB) uint16 {
	t.Helper()
	for range ports {
		port := uint16(first + next.Add(1)%ports)
		if free(port) {
			return port
		}
	}
	t.Fatalf("all ports from %d to %d are in use", first, first+ports-1)
	return 0
}

// free tells whether a port can be taken.
func free(port uint16) bool {
	addr := netip.AddrPortFrom(netip.IPv4Unspecified(), port)
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	defer l.Close()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
