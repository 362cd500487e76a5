package fetch

import (
	"context"
	"errors"
	"time"
)

var errStalled = errors.New("nothing more came")

// A watchdog calls a function when alive wasn't called for some time.
type watchdog struct {
	timer *time.Timer
	after time.Duration
}

func newWatchdog(after time.Duration, bark func()) *watchdog {
	return &watchdog{timer: time.AfterFunc(after, bark), after: after}
}

func (w *watchdog) alive() { w.timer.Reset(w.after) }

func (w *watchdog) stop() { w.timer.Stop() }

// stalled gives the reason for which ctx was cancelled by a watchdog, in place of the error that this caused.
func stalled(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}
