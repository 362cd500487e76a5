package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/agent/standby"
	"vitrine/platform/atomicfile"
	"vitrine/platform/power"
)

const (
	// standbyLook is how often it is looked whether hours have begun or ended, beside what changes by itself.
	standbyLook = 5 * time.Second
	// freshBoot is by when the start of the agent counts as one of the machine, which somebody has switched on or woken.
	freshBoot = 5 * time.Minute
	// rebootFile is there if the machine was started anew by the agent, on standby: that start is nobody's wake.
	rebootFile = "rebooted-on-standby"
)

// A rest is what is known of standby. a.clock is its time.
type rest struct {
	mu     sync.Mutex
	policy standby.Policy
	state  standby.State
	// running is since when the machine runs, by a start or after a suspend.
	running time.Time
	// noted is since when there is a rebootFile, by time's own clock; zero without one.
	noted time.Time
}

// sleeper is the task that has the viewer on standby or awake.
type sleeper struct{ *Agent }

// Run decides until ctx ends.
func (s sleeper) Run(ctx context.Context) error {
	now := s.clock.Now()
	s.rest.mu.Lock()
	s.rest.running = now
	if _, err := os.Stat(s.rebootPath()); err == nil {
		s.rest.noted = time.Now()
	} else if up := s.machine.up(); up > 0 && up < freshBoot {
		s.rest.policy.Wake(now, "the start of the machine")
	}
	s.rest.mu.Unlock()
	look := time.NewTicker(standbyLook)
	defer look.Stop()
	for {
		state := s.decide()
		s.sleepToo(ctx, state)
		s.forgetReboot()
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// String names the task.
func (s sleeper) String() string { return "standby" }

func (a *Agent) rebootPath() string { return filepath.Join(a.config.State, rebootFile) }

// noteReboot notes on standby that the machine is about to start anew.
func (a *Agent) noteReboot() {
	a.rest.mu.Lock()
	defer a.rest.mu.Unlock()
	if !a.rest.state.Standby {
		return
	}
	a.rest.noted = time.Now()
	if err := atomicfile.Write(a.rebootPath(), []byte("The machine was started anew on standby.\n"), 0o600); err != nil {
		a.log.Warn("The start that follows counts as a wake, since it can't be noted that it is none", "err", err)
	}
}

// forgetReboot removes the note once no start of the agent counts as one of the machine any more, or the machine hasn't started anew.
func (a *Agent) forgetReboot() {
	a.rest.mu.Lock()
	defer a.rest.mu.Unlock()
	if a.rest.noted.IsZero() || time.Since(a.rest.noted) < freshBoot {
		return
	}
	a.rest.noted = time.Time{}
	if err := os.Remove(a.rebootPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("The next start won't count as a wake", "err", err)
	}
}

// decide looks what is to be, and does it: the page, the display.
func (a *Agent) decide() standby.State {
	old, state := a.follow()
	if state.Standby != old.Standby || state.Why != old.Why {
		a.log.Info(saying(state))
	}
	if state != old {
		a.session.Report()
	}
	return state
}

// follow has page and display do what the policy says, and gives what it said before.
func (a *Agent) follow() (old, state standby.State) {
	a.rest.mu.Lock()
	defer a.rest.mu.Unlock()
	now := a.clock.Now()
	var o standby.Opening
	if hours, ok := a.player.Opening(); ok {
		o = standby.Opening{Known: true, Closed: hours.Closed, Since: hours.Since, Next: hours.Next}
		if hours.Own {
			o.By = protocol.OwnHours
		}
		a.faultNever(hours.Never)
	}
	old, state = a.rest.state, a.rest.policy.At(now, o)
	a.rest.state = state
	switch {
	case state.Standby && state.Why == standby.Asked:
		a.player.Override(player.Dark)
	case state.Why == standby.Woken:
		a.player.Override(player.Awake)
	default:
		a.player.Override(player.Follow)
	}
	a.screen.want(state.Standby)
	return old, state
}

// errNever is that nothing is ever on, which nobody can have meant.
var errNever = errors.New("the operating_hours of the settings and the operating hours of the programme have no time in common, so that the screen is never on; change one of them")

func (a *Agent) faultNever(never bool) {
	var err error
	if never {
		err = errNever
	}
	a.fault(faultHours, err)
}

// saying is what a person reads of a state.
func saying(s standby.State) string {
	text := "The viewer is awake"
	switch {
	case s.Standby && s.Why == standby.Hours:
		text = "The viewer is on standby, outside the operating hours"
		if s.By != "" {
			text += " of " + s.By
		}
	case s.Standby:
		text = "The viewer is on standby, as " + s.By + " wants it"
	case s.Why == standby.Woken:
		text = "The viewer is awake outside the operating hours, woken by " + s.By
	}
	if !s.Until.IsZero() {
		text += ", until " + s.Until.Local().Format(time.DateTime)
	}
	return text
}

// wakeFor ends standby for somebody.
func (a *Agent) wakeFor(by string) {
	a.rest.mu.Lock()
	a.rest.policy.Wake(a.clock.Now(), by)
	a.rest.mu.Unlock()
	a.decide()
	a.session.Event("wake", "woken by "+by, a.clock.Now())
}

// rouse ends standby and has the session and the content looked after at once.
func (a *Agent) rouse(by string) {
	a.wakeFor(by)
	a.session.Kick()
	a.library.Refresh()
}

// wakeUp is the command.
func (a *Agent) wakeUp(context.Context, json.RawMessage) (session.Outcome, error) {
	a.rouse("the server")
	return session.Outcome{}, nil
}

// standBy is the command. What comes of it is done a moment later by the parts that do it, and reported.
func (a *Agent) standBy(context.Context, json.RawMessage) (session.Outcome, error) {
	a.rest.mu.Lock()
	a.rest.policy.Sleep(a.clock.Now(), "the server")
	a.rest.mu.Unlock()
	state := a.decide()
	a.session.Event("standby", saying(state), a.clock.Now())
	data := map[string]any{}
	if !state.Until.IsZero() {
		data["until"] = state.Until
	}
	return session.Outcome{Data: data}, nil
}

// standbyStatus is what is reported; nil in the operating hours.
func (a *Agent) standbyStatus() *protocol.StandbyStatus {
	a.rest.mu.Lock()
	defer a.rest.mu.Unlock()
	s := a.rest.state
	if s.Why == "" {
		return nil
	}
	return &protocol.StandbyStatus{Active: s.Standby, Why: s.Why, By: s.By, Since: s.Since, Until: s.Until}
}

// sleepToo has the machine itself sleep, if the settings want it, something will wake it, and nothing is being fetched. One that can't stays on: the display
// is off all the same.
func (s sleeper) sleepToo(ctx context.Context, state standby.State) {
	mode := s.config.Standby.Mode
	if mode == "" || mode == config.StandbyDisplay {
		return
	}
	s.rest.mu.Lock()
	running := s.rest.running
	s.rest.mu.Unlock()
	wake, ok := standby.Alarm(s.clock.Now(), running, state)
	if !ok || s.fetching() {
		return
	}
	err := s.down(ctx, mode, wake)
	s.fault(faultStandby, err)
	if err == nil || ctx.Err() != nil {
		return
	}
	s.log.Warn("The machine stays on in standby", "err", err)
	s.rest.mu.Lock()
	s.rest.running = s.clock.Now().Add(time.Hour) // until the next try
	s.rest.mu.Unlock()
}

// errStillOn is that a machine agreed to go down, and didn't.
var errStillOn = errors.New("the machine agreed to go down, and is still on")

// down has the machine sleep until the alarm or a magic packet. It returns when it is awake again, or can't sleep.
func (s sleeper) down(ctx context.Context, mode string, wake time.Time) error {
	m := s.machine
	action := actions[mode]
	if err := m.check(action); err != nil {
		return err
	}
	if err := m.alarm(wake.Sub(s.clock.Now())); err != nil {
		return fmt.Errorf("the machine isn't switched off, for nothing would switch it on again: %w", err)
	}
	s.armCards()
	s.session.Event("standby", fmt.Sprintf("the machine itself goes into standby (%s) until %s", mode, wake.Local().Format(time.DateTime)), s.clock.Now())
	s.told(ctx)
	slept := m.slept()
	s.log.Info("The machine goes down", "how", mode, "until", wake)
	err := s.bid(ctx, action)
	if err == nil && !s.awaitSleep(ctx, func() bool { return m.slept() > slept+time.Second }) {
		err = errStillOn
	}
	switch {
	case ctx.Err() != nil:
		return nil // it goes down indeed
	case action == power.Off && err != nil:
		// It may go off all the same, as when the program was stopped along with everything else. An alarm that nothing needs does no harm.
		return err
	case err == nil:
		s.awoke(wake)
	}
	return errors.Join(err, m.clear())
}

// downTime is how long a machine may take to go down.
const downTime = 2 * time.Minute

// awaitSleep waits until the machine has slept; false if it doesn't.
func (s sleeper) awaitSleep(ctx context.Context, slept func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, downTime)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for !slept() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return slept()
		}
	}
	return true
}

// awoke is after a suspend. The machine's own alarm is for the next start, and no wake; anything else is somebody's.
func (s sleeper) awoke(wake time.Time) {
	now := s.clock.Now()
	s.rest.mu.Lock()
	s.rest.running = now
	s.rest.mu.Unlock()
	s.follower.Kick()
	if now.Before(wake.Add(-time.Minute)) {
		s.log.Info("The machine was woken")
		s.rouse("a magic packet or a key, from suspend")
		return
	}
	s.log.Info("The machine is awake again, by its clock")
	s.session.Kick()
	s.library.Refresh()
}

// told waits for a moment until the server knows what has happened.
func (s sleeper) told(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for status := s.session.Status(); status.Up() && status.Waiting > 0; status = s.session.Status() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}
