//go:build !linux

package counter

import "time"

var start = time.Now()

func now() time.Duration { return time.Since(start) }

func slept() time.Duration { return 0 }
