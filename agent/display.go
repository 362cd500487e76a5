package agent

import (
	"context"
	"errors"
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

	mu     sync.Mutex
	off    bool // what is wanted
	stays  bool // also at the end: the machine goes down, too
	status protocol.DisplayStatus
	stop   context.CancelFunc // ends what is being done
	poked  chan struct{}
}

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

// keep has the display left as it is when the agent ends.
func (s *screen) keep(stays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stays = stays
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
		if err = s.display.Set(ctx, !off); err == nil {
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

// note keeps what is known of the display.
func (s *screen) note(state display.State, err error) {
	status := protocol.DisplayStatus{State: state.String(), Method: s.display.Method()}
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil // it was never asked for
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
	leave := !s.off || s.stays
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

// screenChanged tells the server of the display, and a technician of what is wrong with it.
func (a *Agent) screenChanged(err error) {
	if err != nil {
		a.log.Warn("The display isn't what it should be", "err", err)
	}
	a.fault(faultDisplay, err)
	a.session.Report()
}
