package wake

import "golang.org/x/net/bpf"

// EtherTypes (IEEE 802 Numbers, IANA): of magic packets in frames, and of the IP packets that have one in a UDP datagram.
const (
	etherMagic = 0x0842
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
)

const (
	udpHeader = 8
	protoUDP  = 17
	// accepted is how much of a packet that passes is handed over: IP and UDP headers and the payload.
	accepted = 60 + udpHeader + maxPayload
	// reach is how far a conditional jump of BPF goes, with room to spare.
	reach = 200
)

var (
	pass = bpf.RetConstant{Val: accepted}
	drop = bpf.RetConstant{Val: 0}
)

// containing passes what has six bytes of 0xFF in a row anywhere after offset, and is long enough for the pattern. BPF has no loops; but of the
// words at every third byte one lies within any six bytes. A word beyond the packet's end ends the program: the packet is dropped.
func containing(offset uint32) []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: offset + patternSize, SkipFalse: 1},
		drop,
	}
	const step = 2 // instructions for a word
	var words []bpf.Instruction
	for at := uint32(0); at <= maxPayload-patternSize+2; at += 3 {
		words = append(words, bpf.LoadAbsolute{Off: offset + at, Size: 4}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xffffffff})
	}
	// After each stretch of words stands the way out, which all jumps of the stretch go to and the others step over.
	for len(words) > 0 {
		n := min(len(words), reach/step*step)
		for i := 1; i < n; i += step {
			words[i] = bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xffffffff, SkipTrue: uint8(n - i)}
		}
		program = append(append(program, words[:n]...), bpf.Jump{Skip: 1}, pass)
		words = words[n:]
	}
	return append(program, drop)
}

// beginning passes UDP datagrams whose payload begins with six bytes of 0xFF, whatever their port. load puts the length of the IP header
// into X, after it has jumped over itself and tail, to the last instruction, for what isn't such a packet.
func beginning(load []bpf.Instruction) []bpf.Instruction {
	return append(load,
		bpf.LoadIndirect{Off: 4, Size: 2}, // the datagram's length
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: udpHeader + patternSize, SkipTrue: 5},
		bpf.LoadIndirect{Off: udpHeader, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xffffffff, SkipFalse: 3},
		bpf.LoadIndirect{Off: udpHeader + 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xffff, SkipFalse: 1},
		pass,
		drop,
	)
}

// tail is how many instructions beginning has before its last.
const tail = 7

// The programs for the kernel, by what arrives: a magic packet may stand anywhere in a frame of its own type, and in a datagram to a port of
// ours; in other datagrams only at the beginning, where all known senders put it: to search all of a network's traffic would cost too much.
var (
	inFrame    = containing(0)
	inDatagram = containing(udpHeader)
	inIPv4     = beginning([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoUDP, SkipFalse: 3 + tail},
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 1 + tail}, // a fragment (RFC 791, section 3.1)
		bpf.LoadMemShift{Off: 0},
	})
	inIPv6 = beginning([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoUDP, SkipFalse: 1 + tail}, // no extension headers
		bpf.LoadConstant{Dst: bpf.RegX, Val: 40},
	})
)
