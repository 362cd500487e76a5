// Package system keeps the clock of the operating system with the viewer's, for whatever else runs on the device and for the battery-backed clock that
// the next boot starts from.
//
// It owns when that clock is set at once and when gradually, and who else keeps it. Nothing in Vitrine reads the time from there: with or without this
// package the screens show the same.
package system

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"vitrine/platform/clock"
)

// How the system clock is kept.
const (
	// interval is the time between corrections.
	interval = 16 * time.Second
	// stepFrom is what is set at once and not gradually while that is allowed (RFC 5905, section 11.3: the step threshold), and coarseStepFrom the same
	// for a time that wasn't measured yet and is right to a few seconds.
	stepFrom       = 128 * time.Millisecond
	coarseStepFrom = 3 * time.Second
	// slewRate is how much of the elapsed time a gradual correction adds or takes: what kernels do, and other programs are used to (RFC 5905, section 12).
	slewRate = 500e-6
	// farOff is from where a gradual correction takes longer than half an hour, which is worth a word.
	farOff = time.Second
)

// A Setter is what an operating system lets a program do to its clock. It is used by one goroutine.
type Setter interface {
	// Now is the system clock.
	Now() time.Time
	// Step adds to it at once.
	Step(d time.Duration) error
	// Steer has it gain the frequency, a fraction, on the machine's crystal from now on, and add d gradually, at no more than 500 ppm. It is right to bound by then.
	Steer(frequency float64, d, bound time.Duration) error
	// Rival names who else keeps the system clock; empty if nobody does.
	Rival() string
}

// A Reference is the clock that the system's is kept with.
type Reference interface {
	Now() time.Time
	Status() clock.Status
	// StepSystem calls step, and takes note that what changes by that was nobody else's doing.
	StepSystem(d time.Duration, step func(d time.Duration) error) error
}

// A Discipline is the task that keeps the system clock. Make one with New.
type Discipline struct {
	Config

	// settled is true once the time was measured: from then on nothing is set at once.
	settled bool
	far     bool

	mu    sync.Mutex
	state State
}

// Config says how to make a Discipline.
type Config struct {
	Clock Reference
	// System is the clock that is kept; nil means that of the machine.
	System Setter
	// Changed is called with each new state, by Run; it may be nil.
	Changed func(State)
	// Log may be nil.
	Log *slog.Logger
}

// State says what has become of the system clock.
type State struct {
	// Kept is true while it is kept with the viewer's clock.
	Kept bool
	// Rival is who keeps it instead.
	Rival string
	// Err is why it can't be kept.
	Err error
}

// New makes the task.
func New(c Config) *Discipline {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.System == nil {
		c.System = newSetter()
	}
	if c.Changed == nil {
		c.Changed = func(State) {}
	}
	return &Discipline{Config: c}
}

// String names the task.
func (d *Discipline) String() string { return "system clock" }

// State is the present state. It is safe for concurrent use.
func (d *Discipline) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

// Run keeps the clock until ctx ends, and leaves it then with the frequency that is known. What fails is in State, and tried again.
func (d *Discipline) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		d.set(d.keep())
		select {
		case <-ctx.Done():
			if s := d.Clock.Status(); d.State().Kept {
				return d.System.Steer(s.Frequency, 0, s.Bound)
			}
			return nil
		case <-tick.C:
		}
	}
}

// keep makes one correction.
func (d *Discipline) keep() State {
	s := d.Clock.Status()
	if s.Trust == clock.TrustRTC {
		return State{} // the viewer has its time from the system clock
	}
	if rival := d.System.Rival(); rival != "" {
		d.settled = d.settled || s.Trust == clock.TrustNTP
		return State{Rival: rival}
	}
	off := d.off()
	threshold := coarseStepFrom
	if s.Trust == clock.TrustNTP {
		threshold = stepFrom
	}
	if !d.settled && off.Abs() >= threshold {
		if err := d.Clock.StepSystem(off, d.System.Step); err != nil {
			return State{Err: err}
		}
		d.Log.Info("The system clock was set", "by", off.Round(time.Millisecond))
		off = d.off()
	}
	if s.Trust != clock.TrustNTP {
		return State{} // it is right to a second or two
	}
	d.settled = true
	if far := off.Abs() >= farOff; far != d.far {
		if d.far = far; far {
			d.Log.Warn("Somebody set the system clock: it is corrected gradually, so that other programs see no jump; restart the viewer to have it set at once",
				"off", off.Round(time.Millisecond), "takes", time.Duration(float64(off.Abs())/slewRate).Round(time.Minute))
		}
	}
	if err := d.System.Steer(s.Frequency, off, s.Bound); err != nil {
		return State{Err: err}
	}
	return State{Kept: true}
}

// off is what the system clock lacks.
func (d *Discipline) off() time.Duration { return d.Clock.Now().Sub(d.System.Now().Round(0)) }

// set changes the state, and says so once.
func (d *Discipline) set(s State) {
	d.mu.Lock()
	old := d.state
	d.state = s
	d.mu.Unlock()
	if s.Kept == old.Kept && s.Rival == old.Rival && (s.Err == nil) == (old.Err == nil) {
		return
	}
	d.Changed(s)
	switch {
	case s.Err != nil:
		d.Log.Warn("The system clock can't be kept; what plays isn't touched by that", "err", s.Err)
	case s.Rival != "":
		d.Log.Info("The system clock is left to " + s.Rival)
	case s.Kept:
		d.Log.Info("The system clock is kept with the viewer's")
	}
}
