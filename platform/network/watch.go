package network

import (
	"context"
	"errors"
	"reflect"
	"time"
)

const (
	// pollInterval is how often the interfaces are looked at where the system doesn't tell, and safetyInterval where it
	// does: kernels lose messages too.
	pollInterval   = 3 * time.Second
	safetyInterval = 30 * time.Second
	// A change is reported when nothing has happened for quiet, since a cable that is plugged in makes many small changes,
	// and after patience at the latest.
	quiet    = 100 * time.Millisecond
	patience = time.Second
)

// Watch calls changed soon after interfaces or their addresses have changed, until ctx ends; an IPv6 address that can be
// used at last, after its duplicate address detection (RFC 4862, section 5.4), is a change too. Calls don't overlap.
// On Linux the kernel tells; elsewhere, and where it can't be asked, the interfaces are looked at every 3 s.
func Watch(ctx context.Context, changed func()) {
	ctx, cancel := context.WithCancel(ctx)
	hints := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- listen(ctx, func() {
			select {
			case hints <- struct{}{}:
			default:
			}
		})
	}()
	w := watcher{look: look, changed: changed, hints: hints, ended: ended}
	if !w.run(ctx) {
		// It still runs, and ends with ctx.
		defer func() { <-ended }()
	}
	cancel()
}

// errUnsupported says that the system doesn't tell of changes.
var errUnsupported = errors.ErrUnsupported

// look is what is compared: the interfaces, and what else the system says of their addresses.
func look() any {
	interfaces, err := Interfaces()
	if err != nil {
		return nil
	}
	return [2]any{interfaces, addressStates()}
}

// A watcher compares looks.
type watcher struct {
	look    func() any
	changed func()
	hints   <-chan struct{} // there may be a change
	ended   <-chan error    // no more hints will come
}

// run watches until ctx ends, and tells whether the source of hints had ended by itself.
func (w *watcher) run(ctx context.Context) (ended bool) {
	interval := safetyInterval
	poll := time.NewTimer(interval)
	defer poll.Stop()
	last := w.look()
	for {
		select {
		case <-ctx.Done():
			return ended
		case <-w.ended:
			// Something may have changed before it ended.
			w.ended, ended, interval = nil, true, pollInterval
		case <-poll.C:
		case <-w.hints:
			w.settle(ctx)
		}
		poll.Reset(interval)
		if now := w.look(); ctx.Err() == nil && !reflect.DeepEqual(now, last) {
			last = now
			w.changed()
		}
	}
}

// settle waits until no hint has come for a while.
func (w *watcher) settle(ctx context.Context) {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	calm := time.NewTimer(quiet)
	defer calm.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			return
		case <-calm.C:
			return
		case <-w.hints:
			calm.Reset(quiet)
		}
	}
}
