package discovery

import (
	"context"
	"errors"
	"net/netip"
	"syscall"

	"golang.org/x/sys/windows"
)

// sharePort lets other programs have the port too: Windows' own discovery service uses it.
func sharePort(_, _ string, raw syscall.RawConn) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
	})
	return errors.Join(controlErr, err)
}

// memberAddress is the interface's own address, which on Windows gets the multicasts of that interface. Windows doesn't tell
// Go programs where a datagram came in; this way the socket does.
func memberAddress(local netip.Addr) netip.Addr { return local }

// openDeaf is the same as openEar: a group can't be bound here.
func openDeaf(ctx context.Context, l *link, local netip.Addr, port uint16) (*socket, error) {
	return openEar(ctx, l, local, port)
}
