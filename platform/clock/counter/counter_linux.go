package counter

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// now is CLOCK_MONOTONIC_RAW, which stops while the machine sleeps, and what it slept.
func now() time.Duration { return read(unix.CLOCK_MONOTONIC_RAW) + slept() }

// shortest is the shortest sleep that counts.
const shortest = 10 * time.Millisecond

// sleep is what slept gave last.
var sleep atomic.Int64

// slept is by how much CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: they are steered alike.
func slept() time.Duration {
	// Read between two readings of the other, so that a switch of tasks in between isn't taken for sleep.
	const tries = 3
	var least time.Duration = -1
	for range tries {
		before := read(unix.CLOCK_MONOTONIC)
		boot := read(unix.CLOCK_BOOTTIME)
		took := read(unix.CLOCK_MONOTONIC) - before
		if ahead := boot - before; least < 0 || ahead < least {
			least = ahead
		}
		if took < time.Millisecond {
			break
		}
	}
	// Reading takes a little, and each time something else; the counter must not go back and forth with that.
	for {
		known := sleep.Load()
		if (least - time.Duration(known)).Abs() < shortest {
			return time.Duration(known)
		}
		if sleep.CompareAndSwap(known, int64(least)) {
			return least
		}
	}
}

func read(clock int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0 // these clocks exist since Linux 2.6.39
	}
	return time.Duration(t.Nano())
}
