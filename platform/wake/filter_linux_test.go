package wake

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"
)

// passes runs a filter as the kernel does.
func passes(t *testing.T, filter []bpf.Instruction, p []byte) bool {
	t.Helper()
	if _, err := bpf.Assemble(filter); err != nil { // which alone finds jumps that are too long
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(filter)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(p)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// packet4 and packet6 are packets with a UDP datagram to a port, by RFC 791, RFC 8200 and RFC 768.
func packet4(port uint16, payload []byte) []byte {
	p := make([]byte, 24) // with an option
	p[0], p[9] = 0x46, 17
	copy(p[12:], []byte{10, 0, 0, 2})
	return append(p, udp(port, payload)...)
}

func packet6(port uint16, payload []byte) []byte {
	p := make([]byte, 40)
	p[0], p[6] = 0x60, 17
	copy(p[8:], netip.MustParseAddr("fe80::2").AsSlice())
	return append(p, udp(port, payload)...)
}

func udp(port uint16, payload []byte) []byte {
	h := binary.BigEndian.AppendUint16(nil, 40000)
	h = binary.BigEndian.AppendUint16(h, port)
	h = binary.BigEndian.AppendUint16(h, uint16(8+len(payload)))
	return append(append(h, 0, 0), payload...)
}

func TestFilters(t *testing.T) {
	magic, zeros := Packet(own, nil), make([]byte, 200)
	behind := func(n int) []byte { return append(make([]byte, n), magic...) }
	fragment := packet4(9, magic)
	fragment[6] = 0x20 // more fragments
	tcp := packet4(9, magic)
	tcp[9] = 6
	extended := packet6(9, magic)
	extended[6] = 0
	for name, c := range map[string]struct {
		filter []bpf.Instruction
		packet []byte
		want   bool
	}{
		"frame":                       {inFrame, magic, true},
		"frame, a byte short":         {inFrame, magic[:len(magic)-1], false},
		"frame, in the middle":        {inFrame, append(behind(700), zeros...), true},
		"frame, at the very end":      {inFrame, behind(maxPayload - patternSize), true},
		"frame of zeros":              {inFrame, zeros, false},
		"frame of ones, late":         {inFrame, append(make([]byte, 99), bytes.Repeat([]byte{255}, 300)...), false},
		"frame, odd address":          {inFrame, append(make([]byte, 333), Packet([]byte{2, 0, 0, 0, 0, 0}, nil)...), true},
		"frame, pairs":                {inFrame, Packet([]byte{2, 1, 2, 1, 2, 1}, nil), true},
		"frame of text":               {inFrame, bytes.Repeat([]byte("magic packets "), 20), false},
		"datagram":                    {inDatagram, udp(9, magic), true},
		"datagram, in the middle":     {inDatagram, udp(9, behind(333)), true},
		"datagram of zeros":           {inDatagram, udp(9, zeros), false},
		"datagram with ports of ones": {inDatagram, append([]byte{255, 255, 255, 255}, udp(9, zeros)[4:]...), false},
		"IPv4":                        {inIPv4, packet4(4000, magic), true},
		"IPv4 fragment":               {inIPv4, fragment, false},
		"IPv4, TCP":                   {inIPv4, tcp, false},
		"IPv4, in the middle":         {inIPv4, packet4(4000, behind(3)), false},
		"IPv4, short":                 {inIPv4, packet4(4000, magic[:80]), false},
		"IPv4, five bytes of ones":    {inIPv4, packet4(4000, append(bytes.Repeat([]byte{255}, 5), zeros...)), false},
		"IPv6":                        {inIPv6, packet6(4000, magic), true},
		"IPv6, zeros":                 {inIPv6, packet6(4000, zeros), false},
		"IPv6, extended":              {inIPv6, extended, false},
		"nothing":                     {inIPv4, nil, false},
	} {
		if got := passes(t, c.filter, c.packet); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Wherever the pattern stands, it passes; noise doesn't.
func TestFilterFindsThePatternAnywhere(t *testing.T) {
	vm, err := bpf.NewVM(inFrame)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, maxPayload)
	for i := range noise {
		noise[i] = byte(rand.IntN(255))
	}
	for at := 0; at+patternSize <= maxPayload; at++ {
		p := bytes.Clone(noise)
		copy(p[at:], Packet(own, nil))
		if n, err := vm.Run(p); n == 0 || err != nil {
			t.Fatalf("at %d: %d, %v", at, n, err)
		}
	}
	if n, err := vm.Run(noise); n != 0 || err != nil {
		t.Errorf("noise: %d, %v", n, err)
	}
}

// What a kernel of 2022 charges a socket with for a filter is within what it lets a socket have on a 32-bit machine (net/core/filter.c, sock.c).
func TestFiltersFitIntoKernels(t *testing.T) {
	const allowed = 4 * (2*1024 + 512)
	for name, filter := range map[string][]bpf.Instruction{"frames": inFrame, "datagrams": inDatagram, "IPv4": inIPv4, "IPv6": inIPv6} {
		size := 200
		for _, i := range filter {
			switch i.(type) {
			case bpf.LoadAbsolute, bpf.LoadIndirect:
				size += 8 * 15
			default:
				size += 8 * 2
			}
		}
		if size >= allowed {
			t.Errorf("the filter for %s takes %d bytes in the kernel", name, size)
		}
	}
}

func TestDatagramOfPacket(t *testing.T) {
	magic := Packet(own, nil)
	for name, c := range map[string]struct {
		packet []byte
		from   string
	}{
		"IPv4":                 {packet4(4000, magic), "10.0.0.2:40000"},
		"IPv6":                 {packet6(4000, magic), "[fe80::2]:40000"},
		"trailing bytes":       {append(packet4(4000, magic), 0, 0, 0), "10.0.0.2:40000"},
		"cut":                  {packet4(4000, magic)[:60], ""},
		"header beyond packet": {append([]byte{0x4f}, make([]byte, 20)...), ""},
		"nothing":              {nil, ""},
	} {
		from, port, payload, ok := udpOf(c.packet)
		if ok != (c.from != "") || ok && (from.String() != c.from || port != 4000 || !bytes.Equal(payload, magic)) {
			t.Errorf("%s: %v, %d, %x, %v", name, from, port, payload, ok)
		}
	}
}

// A packet must not be able to crash the listener, nor to pass for a datagram that is longer than itself.
func FuzzDatagram(f *testing.F) {
	f.Add(packet4(9, Packet(own, nil)))
	f.Add(packet6(9, Packet(own, []byte("secret"))))
	f.Fuzz(func(t *testing.T, p []byte) {
		if from, _, payload, ok := udpOf(p); ok && (len(payload) > len(p)-28 || !from.Addr().IsValid()) {
			t.Errorf("%v, %d bytes of %d", from, len(payload), len(p))
		}
	})
}
