package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/backoff"
	"vitrine/platform/display"
)

const (
	// screenLook is how often it is looked whether the display is what it should be.
	screenLook = time.Minute
	// screenFarewell is how long the display may take to come on when the agent ends.
	screenFarewell = 5 * time.Second
)

// A switcher switches a display.
type switcher interface {
	Set(ctx context.Context, on bool) error
	State(ctx context.Context) (display.State, error)
	Method() string
}

// screen is the task that has the display on, or off while the viewer is on standby. It fails towards light: it switches the display on at its start and at
// its end, and again when it finds it off that should be on. One that somebody has switched on by hand stays on.
type screen struct {
	display switcher
	// changed is told whenever the status is another one.
	changed func(err error)
	// painter draws on the graphics card, for as long as the display is on; nil if nothing of this viewer's does.
	painter painter

	mu     sync.Mutex
	off    bool      // what is wanted
	stays  time.Time // until then also at the end: the machine goes down, too
	status protocol.DisplayStatus
	stop   context.CancelFunc // ends what is being done
	poked  chan struct{}

	// vain is why the painter was paused for nothing: it stays then until the next standby. Only Run and what it calls use it.
	vain error
}

// A painter can be made to let go of the graphics card, by kiosk.Kiosk's rules.
type painter interface {
	Pause(ctx context.Context) error
	Resume()
}

const (
	// pauseTime is how long the painter may take to end: a browser that hangs is killed well before.
	pauseTime = 20 * time.Second
	// takeTries is how often the card is tried to be had then, takePause apart: whoever has lent it may need a moment to take it back.
	takeTries = 5
	takePause = time.Second
)

// errNeeded is that the painter can't be spared yet, which is nobody's fault.
var errNeeded = errors.New("the browser is needed")

func newScreen(d switcher, changed func(error)) *screen {
	return &screen{display: d, changed: changed, stop: func() {}, poked: make(chan struct{}, 1), status: protocol.DisplayStatus{State: display.Unknown.String()}}
}

// String names the task.
func (s *screen) String() string { return "switch of the display" }

// want says whether the display is to be off.
func (s *screen) want(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off == off {
		return
	}
	s.off = off
	s.stop()
	select {
	case s.poked <- struct{}{}:
	default:
	}
}

// keep has the display left as it is when the agent ends, since the machine goes down. It lapses by itself, if the machine is still on after downTime: no
// error says before that it stays on, since whatever stops the agent stops the program, too, that was to have the machine go down.
func (s *screen) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stays = time.Now().Add(downTime)
}

// Status is what is reported of the display.
func (s *screen) Status() protocol.DisplayStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Run switches until ctx ends.
func (s *screen) Run(ctx context.Context) error {
	defer s.farewell(ctx)
	retry := backoff.Backoff{}
	for act := true; ; {
		wait := screenLook
		if off, err := s.do(ctx, act); err != nil && !errors.Is(err, errors.ErrUnsupported) && s.is(off) {
			wait = retry.Next()
			act = true
		} else {
			retry.Reset()
			act = false
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.poked:
			timer.Stop()
			retry.Reset()
			act = true
		case <-timer.C:
		}
	}
}

// is tells whether that is still what is wanted.
func (s *screen) is(off bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.off == off
}

// do switches the display if it must, and looks at it.
func (s *screen) do(ctx context.Context, act bool) (off bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	off, s.stop = s.off, cancel
	s.mu.Unlock()
	state, looked := s.display.State(ctx)
	if act || !off && looked == nil && state == display.Off {
		if err = s.set(ctx, !off); err == nil {
			state, looked = s.display.State(ctx)
		}
	}
	if ctx.Err() != nil {
		return off, err // what is wanted has changed meanwhile
	}
	if err == nil && looked == nil && state == display.Unknown {
		state = map[bool]display.State{true: display.Off, false: display.On}[off] // as far as anybody can tell
	}
	s.note(state, err)
	return off, err
}

// set switches the display. If that takes the graphics card, the painter lets go of it before, and gets it back with a display that is on, or that couldn't be switched off:
// then the page is dark at least.
func (s *screen) set(ctx context.Context, on bool) error {
	if s.painter == nil {
		return s.display.Set(ctx, on)
	}
	switch {
	case on:
		defer s.painter.Resume()
		s.vain = nil
		return s.display.Set(ctx, true)
	case s.display.Method() != display.DRM:
		return s.display.Set(ctx, false)
	case s.vain != nil:
		return s.vain
	}
	err := s.take(ctx)
	if err == nil || errors.Is(err, errNeeded) || ctx.Err() != nil { // what is wanted has changed then, and is done next
		return err
	}
	s.vain = err
	_ = s.display.Set(ctx, true) // the card isn't kept from the painter; why it was for nothing counts
	s.painter.Resume()
	return err
}

// take pauses the painter, and switches the display off in its place.
func (s *screen) take(ctx context.Context) error {
	leaving, cancel := context.WithTimeout(ctx, pauseTime)
	defer cancel()
	if err := s.painter.Pause(leaving); err != nil {
		return fmt.Errorf("the display stays on, since the browser doesn't let go of the graphics card: %w", err)
	}
	for try := 1; ; try++ {
		err := s.display.Set(ctx, false)
		if err == nil || try == takeTries {
			return err
		}
		timer := time.NewTimer(takePause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// note keeps what is known of the display.
func (s *screen) note(state display.State, err error) {
	status := protocol.DisplayStatus{State: state.String(), Method: s.display.Method()}
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, errNeeded) {
		err = nil // it was never asked for, or comes later
	}
	if err != nil {
		status.Error = err.Error()
	}
	s.mu.Lock()
	news := s.status != status
	s.status = status
	s.mu.Unlock()
	if news {
		s.changed(err)
	}
}

// farewell leaves a display that is on behind: nobody is there any more to switch it on.
func (s *screen) farewell(ctx context.Context) {
	s.mu.Lock()
	leave := !s.off || time.Now().Before(s.stays)
	s.mu.Unlock()
	if leave {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), screenFarewell)
	defer cancel()
	if err := s.display.Set(ctx, true); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		s.changed(err)
	}
}

// onCard is the browser as what draws on the graphics card.
type onCard struct{ *Agent }

// Pause has the browser end, unless a release is on trial, which has to show by it what it can do.
func (o onCard) Pause(ctx context.Context) error {
	if o.onTrial() {
		return errNeeded
	}
	return o.kiosk.Pause(ctx)
}

// Resume has it run again.
func (o onCard) Resume() { o.kiosk.Resume() }

// screenChanged tells the server of the display, and a technician of what is wrong with it.
func (a *Agent) screenChanged(err error) {
	if err != nil {
		a.log.Warn("The display isn't what it should be", "err", err)
	}
	a.fault(faultDisplay, err)
	a.session.Report()
}
