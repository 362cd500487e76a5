package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/session"
	"vitrine/agent/standby"
	"vitrine/platform/clock"
	"vitrine/platform/device"
	"vitrine/platform/power"
	"vitrine/platform/wake"
)

// A machine is what can be done to the machine, by platform/power and platform/wake.
type machine struct {
	check func(power.Action) error
	do    func(context.Context, power.Action) error
	alarm func(time.Duration) error
	clear func() error
	arm   func() ([]string, error)
	slept func() time.Duration
	up    func() time.Duration
}

func theMachine() machine {
	return machine{
		check: power.Check, do: power.Do, arm: wake.Arm, slept: power.Slept, up: device.Uptime,
		alarm: func(d time.Duration) error { return power.SetAlarm("/", d) },
		clear: func() error { return power.ClearAlarm("/") },
	}
}

// actions are what the modes of standby do to the machine.
var actions = map[string]power.Action{config.StandbySuspend: power.Suspend, config.StandbyPowerOff: power.Off}

// armCards has the network cards wake the machine by magic packets, where they can.
func (a *Agent) armCards() {
	armed, err := a.machine.arm()
	if len(armed) > 0 {
		a.log.Info("Magic packets wake this machine", "interfaces", armed)
	}
	if err != nil {
		a.log.Info("Some network cards won't wake this machine", "err", err)
	}
}

// power restarts the machine or switches it off, once the server knows that it will happen.
func (a *Agent) power(action power.Action) session.Handler {
	return func(context.Context, json.RawMessage) (session.Outcome, error) {
		return session.Outcome{After: func() { a.goDown(action) }}, a.machine.check(action)
	}
}

// bid has the machine restart, go off or sleep. A display that is off stays off.
func (a *Agent) bid(ctx context.Context, action power.Action) error {
	a.screen.keep()
	if action == power.Reboot {
		a.noteReboot()
	}
	return a.machine.do(ctx, action)
}

// goDown has the machine restart or go off.
func (a *Agent) goDown(action power.Action) {
	if action == power.Off {
		a.armCards()
	}
	if err := a.bid(context.Background(), action); err != nil {
		a.log.Error("The machine doesn't do what it was told", "err", err)
		a.session.Event("power", err.Error(), a.clock.Now())
	}
}

// rebooter is the task that starts the machine anew every day, if the settings want it.
type rebooter struct{ *Agent }

const (
	// rebootJitter is by how much it may come later than the settings say, so that a site's machines don't all go at once.
	rebootJitter = 10 * time.Minute
	// rebootLook is how often it is looked whether it is time, and rebootPatience how long is waited for a fetch to end; then it is the next day's turn.
	rebootLook     = 20 * time.Second
	rebootPatience = 2 * time.Hour
)

// Run waits for the time, until ctx ends.
func (r rebooter) Run(ctx context.Context) error {
	if r.config.Reboot == nil {
		<-ctx.Done()
		return nil
	}
	jitter := rand.N(rebootJitter)
	look := time.NewTicker(rebootLook)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil
		}
		if r.clock.Trust() < clock.TrustRTC || !r.due(r.clock.Now(), jitter) || r.fetching() {
			continue
		}
		r.log.Info("The machine is started anew, as the settings want it every day")
		r.session.Event("reboot", "the machine is started anew, as its settings want it every day", r.clock.Now())
		r.goDown(power.Reboot)
		<-ctx.Done() // one that can't isn't tried again
		return nil
	}
}

// due tells whether it is time, and not too late. It counts from the machine's start.
func (r rebooter) due(now time.Time, jitter time.Duration) bool {
	since := now.Add(-max(r.machine.up(), time.Since(r.started)))
	// Of the times since then the one of the last day counts; it is never within an hour after since.
	if day := now.Add(time.Minute - 25*time.Hour); since.Before(day) {
		since = day
	}
	at := standby.Reboot(since, time.Duration(*r.config.Reboot), jitter, r.zone())
	return !now.Before(at) && now.Before(at.Add(rebootPatience))
}

// String names the task.
func (r rebooter) String() string { return "daily restart of the machine" }

// zone is the time zone of the clock on the wall.
func (a *Agent) zone() *time.Location {
	return cmp.Or(a.config.Zone, time.Local)
}
