//go:build !linux && !windows

package discovery

import (
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
