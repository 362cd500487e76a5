package fetch

import (
	"context"
	"errors"
	"sync"
	"time"
)

var errStalled = errors.New("nothing more came, or next to nothing")

// leastRate is how many bytes per second a transfer must bring, over the time that a watchdog waits.
const leastRate = 1 << 10

// A watchdog calls a function when next to nothing has come for some time.
type watchdog struct {
	after  time.Duration
	enough int

	mu    sync.Mutex
	timer *time.Timer
	// came is how many bytes have come since the timer was set.
	came int
}

func newWatchdog(after time.Duration, bark func()) *watchdog {
	enough := max(1, int(after.Seconds()*leastRate))
	return &watchdog{timer: time.AfterFunc(after, bark), after: after, enough: enough}
}

// alive says that n bytes have come.
func (w *watchdog) alive(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.came += n; w.came >= w.enough {
		w.came = 0
		w.timer.Reset(w.after)
	}
}

// stop ends the watch, or, with start, lets a time pass in which nothing is expected.
func (w *watchdog) stop() { w.timer.Stop() }

func (w *watchdog) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came = 0
	w.timer.Reset(w.after)
}

// stalled gives the reason for which ctx was cancelled by a watchdog, in place of the error that this caused.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}
