package wake

import (
	"context"
	"net"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
)

// etherType is that of magic packets in Ethernet frames.
const etherType = 0x0842

// magicFrames is a filter for the kernel. The socket's own protocol keeps other types away; this keeps away what is too
// short to hold the pattern, so that a flood of runts costs nothing here.
var magicFrames = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtLen},
	bpf.JumpIf{Cond: bpf.JumpLessThan, Val: patternSize, SkipTrue: 1},
	bpf.RetConstant{Val: maxPayload},
	bpf.RetConstant{Val: 0},
}

// listenFrames opens a socket for magic packets in Ethernet frames on one interface. It needs CAP_NET_RAW.
func listenFrames(name string) (net.PacketConn, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	filter, err := bpf.Assemble(magicFrames)
	if err != nil {
		return nil, err
	}
	return packet.Listen(i, packet.Datagram, etherType, &packet.Config{Filter: filter})
}

// sendFrame sends a payload as an Ethernet broadcast on one interface. It needs CAP_NET_RAW.
func sendFrame(_ context.Context, name string, payload []byte) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return err
	}
	conn, err := packet.Listen(i, packet.Datagram, etherType, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.WriteTo(payload, &packet.Addr{HardwareAddr: net.HardwareAddr(syncBytes)})
	return err
}
