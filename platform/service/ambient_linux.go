package service

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// keepCapabilities has what this program starts, such as a browser, get none of the capabilities that systemd gave it (capabilities(7), "Ambient").
// In a program with C in it that isn't possible.
func keepCapabilities() {
	_, _, _ = syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
}
