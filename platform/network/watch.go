package network

import (
	"context"
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
// used at last, after its duplicate address detection (RFC 4862, section 5.4), is a change too. Calls don't overlap, and
// what changed before Watch was called is not reported. On Linux the kernel tells, and changed is called 0.1 s after the
// last change of several, or 1 s after the first; elsewhere, and where it can't be asked, the interfaces are looked at
// every 3 s.
func Watch(ctx context.Context, changed func()) {
	w := watcher{listen: listen, look: look, changed: changed}
	w.run(ctx)
}

// look is what is compared: the interfaces, and what else the system says of their addresses.
func look() (any, error) {
	interfaces, err := Interfaces()
	if err != nil {
		return nil, err
	}
	states, err := addressStates()
	return [2]any{interfaces, states}, err
}

// A watcher compares looks.
type watcher struct {
	// listen calls hint whenever there may be a change, until ctx ends; if it returns earlier, no more hints will come.
	listen  func(ctx context.Context, hint func()) error
	look    func() (any, error)
	changed func()
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	hints, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		// Why it ended makes no difference: there is the polling.
		w.listen(ctx, func() {
			select {
			case hints <- struct{}{}:
			default:
			}
		})
	}()
	w.compare(ctx, hints, ended)
	<-ended
}

// compare looks when a hint comes and at intervals, which are shorter once the source of hints has ended.
func (w *watcher) compare(ctx context.Context, hints, ended <-chan struct{}) {
	last, _ := w.look()
	interval := safetyInterval
	poll := time.NewTimer(interval)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			// Something may have changed before it ended.
			ended, interval = nil, pollInterval
		case <-poll.C:
		case <-hints:
			settle(ctx, hints)
		}
		if ctx.Err() != nil {
			return
		}
		now, err := w.look()
		if err != nil {
			// Not a change, but there may have been one.
			poll.Reset(pollInterval)
			continue
		}
		poll.Reset(interval)
		if !reflect.DeepEqual(now, last) {
			last = now
			w.changed()
		}
	}
}

// settle waits until no hint has come for a while.
func settle(ctx context.Context, hints <-chan struct{}) {
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
		case <-hints:
			calm.Reset(quiet)
		}
	}
}
