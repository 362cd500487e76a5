//go:build !linux

package power

import (
	"errors"
	"time"
)

func canSuspend(string) error { return errors.ErrUnsupported }

// Slept is how long the machine has been suspended since it was started; 0 where that isn't known.
func Slept() time.Duration { return 0 }
