package device

import (
	"time"

	"golang.org/x/sys/unix"
)

// Uptime is how long ago the machine was switched on, with the time for which it slept; 0 if that can't be known.
func Uptime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
