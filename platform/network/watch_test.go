package network

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// When a watcher reports, in time of its own.
func TestWatcher(t *testing.T) {
	type event struct {
		at    time.Duration
		value int64 // what is seen from then on
		hint  bool  // and whether the system tells
	}
	const ms = time.Millisecond
	for name, test := range map[string]struct {
		events  []event
		hintsAt time.Duration // when the source of hints ends; 0 for never
		want    []time.Duration
	}{
		"nothing":                {nil, 0, nil},
		"a hint without change":  {[]event{{time.Second, 0, true}}, 0, nil},
		"a change":               {[]event{{time.Second, 1, true}}, 0, []time.Duration{time.Second + quiet}},
		"one that was not told":  {[]event{{time.Second, 1, false}}, 0, []time.Duration{safetyInterval}},
		"a burst is one change":  {[]event{{time.Second, 1, true}, {1050 * ms, 2, true}, {1100 * ms, 3, true}}, 0, []time.Duration{1200 * ms}},
		"back to what it was":    {[]event{{time.Second, 1, true}, {1050 * ms, 0, true}}, 0, nil},
		"without the system":     {[]event{{9 * time.Second, 1, false}}, time.Second, []time.Duration{10 * time.Second}},
		"changed before the end": {[]event{{time.Second, 1, false}}, 2 * time.Second, []time.Duration{2 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				var value atomic.Int64
				hints, ended := make(chan struct{}, 1), make(chan error, 1)
				var got []time.Duration
				for _, e := range test.events {
					time.AfterFunc(e.at, func() {
						if value.Store(e.value); e.hint {
							hints <- struct{}{}
						}
					})
				}
				if test.hintsAt > 0 {
					time.AfterFunc(test.hintsAt, func() { ended <- errUnsupported })
				}
				w := watcher{look: func() any { return value.Load() }, changed: func() { got = append(got, time.Since(began)) }, hints: hints, ended: ended}
				if by := w.run(ctx); by != (test.hintsAt > 0) {
					t.Errorf("ended by itself: %v", by)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("reported after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A network that never rests is reported once a second.
func TestWatcherIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var value atomic.Int64
		hints := make(chan struct{}, 1)
		ticker := time.NewTicker(quiet / 2)
		defer ticker.Stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-ticker.C:
					value.Add(1)
					select {
					case hints <- struct{}{}:
					default:
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		reports := 0
		w := watcher{look: func() any { return value.Load() }, changed: func() { reports++ }, hints: hints}
		w.run(ctx)
		<-done
		if reports < 8 || reports > 11 {
			t.Errorf("%d reports in ten seconds", reports)
		}
	})
}
