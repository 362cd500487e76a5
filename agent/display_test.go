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
	// card is what draws on the graphics card, without which the display can't be switched off by DRM; nil for one that is switched by CEC.
	card *card
}

// A card has a painter on it, or not, and notes what that did.
type card struct {
	mu            sync.Mutex
	free          bool
	pauses, comes int
	// needed is that it can't go, and slow how long it takes to; lent is how often the card is still missing then.
	needed bool
	slow   time.Duration
	lent   int
}

func (c *card) Pause(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.needed {
		return errNeeded
	}
	c.pauses++
	select {
	case <-time.After(c.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	c.free = true
	return nil
}

func (c *card) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free {
		c.comes++
	}
	c.free = false
}

// missing is true once for each time that the card is.
func (c *card) missing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lent--
	return !c.free || c.lent >= 0
}

func (l *lamp) Set(ctx context.Context, on bool) error {
	select {
	case <-time.After(l.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	if !on && l.card != nil && l.card.missing() {
		return errors.New("another program has the card")
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

func (l *lamp) Method() string {
	if l.card != nil {
		return display.DRM
	}
	return "cec"
}

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
		if l.card != nil {
			s.painter = l.card
		}
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
		s.keep()
	})
	if farewell != "" {
		t.Errorf("at the end of a machine that goes down: %q", farewell)
	}
	farewell = lit(t, &lamp{}, func(s *screen) {
		s.want(true)
		s.keep()
		time.Sleep(downTime)
	})
	if farewell != "on" {
		t.Errorf("at the end of an agent whose machine didn't go down: %q", farewell)
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

// A display that is switched by DRM takes the card from the browser, and gives it back.
func TestDisplayTakesTheCard(t *testing.T) {
	c := &card{lent: 2}
	l := &lamp{state: display.On, card: c}
	lit(t, l, func(s *screen) {
		l.did()
		s.want(true)
		time.Sleep(5 * time.Second)
		if did := l.did(); did != "off" || s.Status().State != "off" || l.heard() != nil || !c.free {
			t.Errorf("for standby: %q, %+v, told %v, the card is free: %v", did, s.Status(), l.heard(), c.free)
		}
		time.Sleep(10 * screenLook)
		if did := l.did(); did != "" || c.pauses != 1 {
			t.Errorf("in standby: %q, %d pauses", did, c.pauses)
		}
		s.want(false)
		synctest.Wait()
		if did := l.did(); did != "on" || s.Status().State != "on" || c.free || c.comes != 1 {
			t.Errorf("awake: %q, %+v, %d comes", did, s.Status(), c.comes)
		}

		// Awake again while the browser is still ending.
		c.slow = 3 * time.Second
		s.want(true)
		time.Sleep(time.Second)
		s.want(false)
		synctest.Wait()
		if did := l.did(); did != "on" || s.Status().State != "on" || s.Status().Error != "" {
			t.Errorf("awake at once: %q, %+v", did, s.Status())
		}
	})
}

// If it is for nothing, or the browser can't be spared, the browser stays, and what is reported is true.
func TestDisplayLeavesTheCard(t *testing.T) {
	for name, c := range map[string]*card{"never free": {lent: takeTries}, "a browser that doesn't end": {slow: time.Hour}} {
		l := &lamp{state: display.On, card: c}
		lit(t, l, func(s *screen) {
			s.want(true)
			time.Sleep(time.Hour)
			if l.did(); s.Status().State != "on" || !strings.Contains(s.Status().Error, " card") || l.heard() == nil || c.free || c.pauses != 1 {
				t.Errorf("%s: %+v, told %v, %d pauses", name, s.Status(), l.heard(), c.pauses)
			}
			c.lent, c.slow = 0, 0
			s.want(false)
			synctest.Wait()
			s.want(true)
			synctest.Wait()
			if l.did(); s.Status().State != "off" || s.Status().Error != "" || l.heard() != nil {
				t.Errorf("%s, in the next standby: %+v", name, s.Status())
			}
		})
	}
	lit(t, &lamp{state: display.On, card: &card{}}, func(s *screen) {
		l := s.display.(*lamp)
		l.did()
		l.fails = takeTries
		s.want(true)
		time.Sleep(time.Hour)
		if did := l.did(); did != strings.Repeat("off ", takeTries)+"on" || l.card.free || s.Status().Error == "" {
			t.Errorf("one that doesn't obey isn't given back: %q, %+v", did, s.Status())
		}
	})
	c := &card{needed: true}
	l := &lamp{state: display.On, card: c}
	lit(t, l, func(s *screen) {
		s.want(true)
		time.Sleep(2 * time.Minute)
		if s.Status().State != "on" || s.Status().Error != "" || l.heard() != nil {
			t.Errorf("while it is needed: %+v", s.Status())
		}
		c.mu.Lock()
		c.needed = false
		c.mu.Unlock()
		time.Sleep(3 * time.Minute)
		if s.Status().State != "off" {
			t.Errorf("when it isn't any more: %+v", s.Status())
		}
	})
}
