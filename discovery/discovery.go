// Package discovery finds services on the local networks, and lets them be found, by WS-Discovery in ad hoc mode: SOAP
// messages in UDP datagrams, multicast to 239.255.255.250 and ff02::c, port 3702 (OASIS WS-Discovery 1.1, below "1.1", and
// its draft of April 2005, below "2005"; SOAP-over-UDP). Section numbers are those of 1.1. Package wsd has the messages.
//
// A Client asks (Probe) and listens for announcements (Listen); a Target announces and answers. They are apart on
// purpose: a Client never sends anything in return for what it receives, so that it is of no use for attacks by
// reflection.
//
// Discovery is unauthenticated. What it finds is a hint: anybody on the network can answer, so that a caller must make a
// found device prove itself by other means (TLS) before it believes it. Discovery proxies (managed mode) are not used,
// and the Hello by which one asks clients to stop multicasting is ignored: forged, it would silence everybody.
package discovery

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"

	"vitrine/discovery/wsd"
)

// The groups of both versions (section 3.1.1), link-local in IPv6.
var (
	group4 = netip.AddrFrom4([4]byte{239, 255, 255, 250})
	group6 = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x0c})
)

// versions are asked and announced alike: no peer of one understands the other.
var versions = [...]wsd.Version{wsd.Version11, wsd.Version2005}

// newID makes a MessageID: "urn:uuid:" and a random UUID (RFC 9562, section 5.4). Its 122 random bits are what keeps
// hosts that can't see a Probe from answering it.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

func orPort(port uint16) uint16 {
	if port == 0 {
		return wsd.Port
	}
	return port
}
