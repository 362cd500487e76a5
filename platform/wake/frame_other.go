//go:build !linux

package wake

import (
	"context"
	"errors"
	"fmt"
	"net"
)

func listenFrames(string) ([]tap, error) { return nil, errors.ErrUnsupported }

func listenUDP(ctx context.Context, port uint16) (net.PacketConn, error) {
	return (&net.ListenConfig{}).ListenPacket(ctx, "udp", fmt.Sprintf(":%d", port))
}

func sourceMAC(net.Addr) net.HardwareAddr { return nil }

func sendFrame(context.Context, string, []byte) error { return errors.ErrUnsupported }
