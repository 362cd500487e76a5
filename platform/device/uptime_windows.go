package device

import (
	"time"

	"golang.org/x/sys/windows"
)

// Uptime is how long ago the machine was switched on, with the time for which it slept; 0 if that can't be known.
func Uptime() time.Duration { return windows.DurationSinceBoot() }
