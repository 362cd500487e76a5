package watchdog

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// setTimeout asks for a time-out and gives the one that there is (Documentation/watchdog/watchdog-api.rst in the kernel's source): a device that can't have
// that one, or change it at all, keeps its own.
func setTimeout(f *os.File, timeout time.Duration) (time.Duration, error) {
	fd := int(f.Fd())
	err := unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, int(timeout/time.Second))
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return 0, fmt.Errorf("it isn't one: %w", err)
	}
	seconds, err := unix.IoctlGetInt(fd, unix.WDIOC_GETTIMEOUT)
	if err != nil || seconds < 1 {
		return timeout, nil
	}
	return time.Duration(seconds) * time.Second, nil
}
