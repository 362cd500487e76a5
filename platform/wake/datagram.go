package wake

import (
	"encoding/binary"
	"net/netip"
)

// udpOf takes the UDP datagram (RFC 768) out of an IP packet: from whom, to which port, and its payload. Fragments and packets with IPv6
// extension headers are none.
func udpOf(p []byte) (from netip.AddrPort, port uint16, payload []byte, ok bool) {
	var source netip.Addr
	switch {
	case len(p) >= 20 && p[0]>>4 == 4: // RFC 791, section 3.1
		header := int(p[0]&0xf) * 4
		if header < 20 || len(p) < header || p[9] != 17 || binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
			return from, 0, nil, false
		}
		source, p = netip.AddrFrom4([4]byte(p[12:16])), p[header:]
	case len(p) >= 40 && p[0]>>4 == 6 && p[6] == 17: // RFC 8200, section 3
		source, p = netip.AddrFrom16([16]byte(p[8:24])), p[40:]
	default:
		return from, 0, nil, false
	}
	if len(p) < 8 {
		return from, 0, nil, false
	}
	length := int(binary.BigEndian.Uint16(p[4:]))
	if length < 8 || length > len(p) {
		return from, 0, nil, false
	}
	return netip.AddrPortFrom(source, binary.BigEndian.Uint16(p)), binary.BigEndian.Uint16(p[2:]), p[8:length], true
}
