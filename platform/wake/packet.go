// Package wake sends and hears magic packets, by which a sleeping machine is woken (AMD, "Magic Packet Technology", white
// paper 20213).
//
// It owns the packet and the ways it travels: UDP to the ports 7 and 9, Ethernet frames of type 0x0842, and UDP to any other port. It
// never answers a packet, and what a wake means is the caller's business. README.md says what it hears and costs.
package wake

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
)

// The pattern: six bytes of 0xFF, then the address 16 times, anywhere in a frame.
const (
	macSize     = 6
	repeats     = 16
	patternSize = macSize + repeats*macSize
)

// maxPayload is the most of a packet that is looked at, in bytes.
const maxPayload = 1500

var syncBytes = bytes.Repeat([]byte{0xff}, macSize)

// Packet makes the payload that wakes the machine with that hardware address. password is a SecureOn password of 4 or 6
// bytes, or empty.
func Packet(mac net.HardwareAddr, password []byte) []byte {
	b := append([]byte(nil), syncBytes...)
	for range repeats {
		b = append(b, mac...)
	}
	return append(b, password...)
}

// Find looks for the pattern of one of the addresses anywhere in a payload; with none given, of any address. rest is what
// follows it, where a password would be. Addresses of all zeros or all ones belong to no machine and are never found.
func Find(payload []byte, macs []net.HardwareAddr) (mac net.HardwareAddr, rest []byte, ok bool) {
	payload = payload[:min(len(payload), maxPayload)]
	if macs == nil {
		return findAny(payload)
	}
	for _, mac := range macs {
		if !isMachine(mac) {
			continue
		}
		// The whole pattern at once: a scan for the sync bytes would stumble over an address that begins with 0xFF.
		if at := bytes.Index(payload, Packet(mac, nil)); at >= 0 {
			return mac, payload[at+patternSize:], true
		}
	}
	return nil, nil, false
}

func findAny(payload []byte) (net.HardwareAddr, []byte, bool) {
	for at := 0; at+patternSize <= len(payload); at++ {
		if payload[at] != 0xff || !bytes.Equal(payload[at:at+macSize], syncBytes) {
			continue
		}
		mac := net.HardwareAddr(payload[at+macSize : at+2*macSize])
		if isMachine(mac) && bytes.Equal(payload[at:at+patternSize], Packet(mac, nil)) {
			return bytes.Clone(mac), payload[at+patternSize:], true
		}
	}
	return nil, nil, false
}

// isMachine tells whether an address can be a machine's.
func isMachine(mac net.HardwareAddr) bool {
	return len(mac) == macSize && !bytes.Equal(mac, syncBytes) && !bytes.Equal(mac, make([]byte, macSize))
}

// ParsePassword reads a SecureOn password: six bytes like a hardware address, or four like an IPv4 address.
func ParsePassword(s string) ([]byte, error) {
	if mac, err := net.ParseMAC(s); err == nil && len(mac) == macSize {
		return mac, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Is4() {
		return addr.AsSlice(), nil
	}
	return nil, fmt.Errorf("the password must be six bytes like 01:02:03:04:05:06, or four like 1.2.3.4")
}
