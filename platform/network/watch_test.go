package network

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

const ms = time.Millisecond

// An event of a simulated machine.
type event struct {
	at    time.Duration // 0 is before the first look
	value int64         // what is seen from then on; broken if it can't be looked at
	hint  bool          // and whether the system tells
}

const broken = -1

// simulate gives the times at which a watcher reports within two minutes. The system's hints end at hintsEnd, or never if
// that is 0.
func simulate(t *testing.T, events []event, hintsEnd time.Duration) (reports []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		began := time.Now()
		var value atomic.Int64
		told := make(chan struct{}, len(events))
		for _, e := range events {
			if e.at == 0 {
				value.Store(e.value)
				continue
			}
			time.AfterFunc(e.at, func() {
				if value.Store(e.value); e.hint {
					told <- struct{}{}
				}
			})
		}
		var end <-chan time.Time
		if hintsEnd > 0 {
			end = time.After(hintsEnd)
		}
		w := watcher{
			listen: func(ctx context.Context, hint func()) error {
				for {
					select {
					case <-told:
						hint()
					case <-end:
						return errors.ErrUnsupported
					case <-ctx.Done():
						return nil
					}
				}
			},
			look: func() (any, error) {
				if v := value.Load(); v != broken {
					return v, nil
				}
				return nil, errors.New("no file descriptor is left")
			},
			changed: func() { reports = append(reports, time.Since(began)) },
		}
		w.run(ctx)
	})
	return reports
}

// When a watcher reports, in time of its own.
func TestWatcher(t *testing.T) {
	for name, test := range map[string]struct {
		events   []event
		hintsEnd time.Duration
		want     []time.Duration
	}{
		"nothing":                      {nil, 0, nil},
		"nothing, without the system":  {nil, time.Second, nil},
		"a hint without change":        {[]event{{time.Second, 0, true}}, 0, nil},
		"a change":                     {[]event{{time.Second, 1, true}}, 0, []time.Duration{1100 * ms}},
		"two changes":                  {[]event{{time.Second, 1, true}, {2 * time.Second, 0, true}}, 0, []time.Duration{1100 * ms, 2100 * ms}},
		"one that was not told":        {[]event{{time.Second, 1, false}}, 0, []time.Duration{30 * time.Second}},
		"a burst is one change":        {[]event{{time.Second, 1, true}, {1050 * ms, 2, true}, {1100 * ms, 3, true}}, 0, []time.Duration{1200 * ms}},
		"back to what it was":          {[]event{{time.Second, 1, true}, {1050 * ms, 0, true}}, 0, nil},
		"without the system":           {[]event{{9 * time.Second, 1, false}}, time.Second, []time.Duration{10 * time.Second}},
		"changed before the end":       {[]event{{time.Second, 1, false}}, 2 * time.Second, []time.Duration{2 * time.Second}},
		"a look that fails":            {[]event{{time.Second, broken, true}, {2 * time.Second, 0, false}}, 0, nil},
		"a change while looks fail":    {[]event{{time.Second, broken, true}, {2 * time.Second, 1, false}}, 0, []time.Duration{4100 * ms}},
		"the first look fails":         {[]event{{0, broken, false}, {time.Second, 1, true}}, 0, []time.Duration{1100 * ms}},
		"looks fail, and nothing else": {[]event{{time.Second, broken, true}}, time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := simulate(t, test.events, test.hintsEnd); !slices.Equal(got, test.want) {
				t.Errorf("reported after %v, want %v", got, test.want)
			}
		})
	}
}

// Messages that never rest hold no report up for longer than a second, and without changes make none.
func TestWatcherIsNotHeldUp(t *testing.T) {
	var chatter, changes []event
	for i := range int64(200) {
		at := time.Duration(i+1) * quiet / 2
		chatter = append(chatter, event{at, 0, true})
		changes = append(changes, event{at, i + 1, true})
	}
	if got := simulate(t, chatter, 0); got != nil {
		t.Errorf("reported after %v, but nothing changed", got)
	}
	got := simulate(t, changes, 0)
	if len(got) == 0 || got[0] != quiet/2+patience {
		t.Fatalf("reported after %v, want a first report one second after the first message", got)
	}
	for i, next := range got[1:] {
		if gap := next - got[i]; gap > patience+quiet/2 {
			t.Errorf("%v between reports", gap)
		}
	}
	if last := got[len(got)-1]; last < changes[len(changes)-1].at {
		t.Errorf("the last report, after %v, is older than the last change", last)
	}
}

// The real watcher ends promptly while it waits for the system, and leaves nothing behind.
func TestWatchEnds(t *testing.T) {
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listening := make(chan struct{})
	w := watcher{
		listen: func(ctx context.Context, hint func()) error {
			opened := sync.OnceFunc(func() { close(listening) })
			defer opened() // where the system can't be asked
			return listen(ctx, func() { opened(); hint() })
		},
		look:    look,
		changed: func() {},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	<-listening
	cancel()
	select {
	case <-done:
	case <-time.After(time.Second):
		t.Fatal("it goes on a second after its context has ended")
	}
	goleak.VerifyNone(t, before)
}

// Watch with a context that has ended returns, and reports nothing.
func TestWatchAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Watch(ctx, func() { t.Error("reported a change") })
}
