//go:build !linux && !windows

package device

import "time"

// Uptime is how long ago the machine was switched on; 0 if that can't be known.
func Uptime() time.Duration { return 0 }
