//go:build !linux && !windows

package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// sharePort refuses: a Target and Listen are not supported here. A Client can Probe everywhere.
func sharePort(_, _ string, _ syscall.RawConn) error {
	return fmt.Errorf("share a multicast port: %w", errors.ErrUnsupported)
}

func memberAddress(local netip.Addr) netip.Addr { return local }

// openDeaf is the same as openEar: a group can't be bound here.
func openDeaf(ctx context.Context, l *link, local netip.Addr, port uint16) (*socket, error) {
	return openEar(ctx, l, local, port)
}
