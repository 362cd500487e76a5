//go:build !linux

package power

import (
	"errors"
	"time"
)

func canSuspend(string) error { return errors.ErrUnsupported }

// Uptime is how long ago the machine was started; 0 where that isn't known.
func Uptime() time.Duration { return 0 }

// Slept is how long the machine has been suspended since it was started; 0 where that isn't known.
func Slept() time.Duration { return 0 }
