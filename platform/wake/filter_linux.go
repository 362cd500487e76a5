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
)

var (
	pass = bpf.RetConstant{Val: accepted}
	drop = bpf.RetConstant{Val: 0}
)

// containing passes what may have the pattern anywhere after offset, by the address that is there 16 times: of two places that lie stride apart, one is within
// those, and what is there comes again six bytes later. It doesn't come again two bytes later, as it does in zeros and other filling, so that an address of
// three equal pairs is heard at the beginning alone. A word beyond the packet's end ends the program: the packet is dropped.
//
// To look for the six bytes of 0xFF would take a word at every third byte, and a program that kernels before 6.7 refuse: it is charged with what it has become
// in the kernel, where each load of a word is 14 instructions of 8 bytes, and may have 20 KiB there (net.core.optmem_max), 10 KiB on 32-bit machines.
func containing(offset uint32) []bpf.Instruction {
	word := func(at uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset + at, Size: 4} }
	program := []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: offset + patternSize, SkipFalse: 1},
		drop,
		word(0),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xffffffff, SkipFalse: 1},
		pass,
	}
	for at := uint32(stride); at+probe <= maxPayload; at += stride {
		program = append(program,
			word(at+macSize),
			bpf.TAX{},
			word(at),
			bpf.JumpIfX{Cond: bpf.JumpEqual, SkipFalse: 3},
			word(at+2),
			bpf.JumpIfX{Cond: bpf.JumpEqual, SkipTrue: 1},
			pass,
		)
	}
	return append(program, drop)
}

const (
	// probe is how many bytes are looked at in one place: a word, and another six bytes later.
	probe = macSize + 4
	// stride is how far apart two places may be for one to lie within the 16 addresses.
	stride = repeats*macSize - probe + 1
)

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
