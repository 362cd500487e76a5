//go:build !linux

package wake

import (
	"context"
	"errors"
	"net"
)

func listenFrames(string) (net.PacketConn, error) { return nil, errors.ErrUnsupported }

func sendFrame(context.Context, string, []byte) error { return errors.ErrUnsupported }
