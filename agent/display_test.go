package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/platform/display"
)

// A lamp is a display that notes what was done to it.
type lamp struct {
	mu    sync.Mutex
	state display.State
	sets  []string
	// fails is how often switching fails, and slow how long it takes.
	fails int
	slow  time.Duration
	// told is what the screen said of it last.
	told error
}

func (l *lamp) Set(ctx context.Context, on bool) error {
	select {
	case <-time.After(l.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = map[bool]display.State{true: display.On, false: display.Off}[on]
	l.sets = append(l.sets, l.state.String())
	if l.fails--; l.fails >= 0 {
		l.state = display.Off
		return errors.New("the television doesn't answer")
	}
	return nil
}

func (l *lamp) State(context.Context) (display.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, nil
}

func (l *lamp) Method() string { return "cec" }

func (l *lamp) tell(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = err
}

func (l *lamp) heard() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told
}

// byHand is what somebody does with the remote control.
func (l *lamp) byHand(s display.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
}

// did is what was done since it was last asked.
func (l *lamp) did() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := strings.Join(l.sets, " ")
	l.sets = nil
	return text
}

// lit runs a screen in virtual time; what it did at its end is what test gives back.
func lit(t *testing.T, l *lamp, test func(*screen)) (farewell string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newScreen(l, l.tell)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		test(s)
		l.did()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		farewell = l.did()
	})
	return farewell
}

// A display that was off when the agent crashed is on again with its next start, and with its end.
func TestDisplayComesOnAgain(t *testing.T) {
	l := &lamp{state: display.Off}
	farewell := lit(t, l, func(s *screen) {
		if did := l.did(); did != "on" || s.Status().State != "on" || s.Status().Method != "cec" {
			t.Errorf("at the start: %q, %+v", did, s.Status())
		}
		s.want(true)
		synctest.Wait()
		if did := l.did(); did != "off" || s.Status().State != "off" {
			t.Errorf("for standby: %q, %+v", did, s.Status())
		}
	})
	if farewell != "on" {
		t.Errorf("at the end: %q", farewell)
	}
	farewell = lit(t, &lamp{}, func(s *screen) {
		s.want(true)
		synctest.Wait()
		s.keep(true)
	})
	if farewell != "" {
		t.Errorf("at the end of a machine that goes down: %q", farewell)
	}
}

func TestDisplayIsWatched(t *testing.T) {
	l := &lamp{state: display.Off, fails: 3}
	lit(t, l, func(s *screen) {
		if s.Status().State != "off" || !strings.Contains(s.Status().Error, "doesn't answer") || l.heard() == nil {
			t.Errorf("one that fails: %+v, told %v", s.Status(), l.heard())
		}
		time.Sleep(30 * time.Second)
		if did := l.did(); did != "on on on on" || s.Status().Error != "" || s.Status().State != "on" || l.heard() != nil {
			t.Errorf("it is tried again: %q, %+v", did, s.Status())
		}
		l.byHand(display.Off)
		time.Sleep(screenLook)
		if did := l.did(); did != "on" {
			t.Errorf("one that goes off in the operating hours: %q", did)
		}
		s.want(true)
		synctest.Wait()
		l.did()
		l.byHand(display.On)
		time.Sleep(10 * screenLook)
		if did := l.did(); did != "" || s.Status().State != "on" {
			t.Errorf("one that somebody switches on in standby: %q, %+v", did, s.Status())
		}
		l.slow = 10 * time.Second
		s.want(false)
		synctest.Wait()
		s.want(true)
		time.Sleep(3 * time.Second)
		s.want(false) // in the middle of switching it off
		began := time.Now()
		for s.Status().State != "on" || time.Since(began) <= l.slow { // not in the moment itself
			time.Sleep(time.Second)
		}
		if did := l.did(); did != "on" || time.Since(began) > 11*time.Second {
			t.Errorf("a wish that changes: %q after %v", did, time.Since(began))
		}
	})
}
