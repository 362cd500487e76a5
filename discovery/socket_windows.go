package discovery

import (
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
