package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/health"
	"vitrine/agent/player"
	"vitrine/platform/power"
	"vitrine/platform/watchdog"
)

// healthFile keeps what was done about a wrong screen.
const healthFile = "health.json"

// Health says what is done about a screen that doesn't show the right thing.
type Health struct {
	// Steps is how many kinds of step may be taken, of health's, the mildest first.
	Steps int
	// Watchdog is the device file of the hardware watchdog; empty if it isn't to be fed.
	Watchdog string
}

// HealthOf is what the settings say.
func HealthOf(c config.Health) Health {
	if c.Hardest == "" {
		return Health{len(config.Steps) - 1, c.Watchdog}
	}
	return Health{slices.Index(config.Steps, c.Hardest), c.Watchdog}
}

// hardwareTimeout is what the hardware watchdog is asked for; those that can't have that much are fed as often as they need.
const hardwareTimeout = time.Minute

// screenWatch is the task that looks whether the right thing is on the glass, and feeds the watchdogs while it is.
type screenWatch struct{ *Agent }

// String names the task.
func (s screenWatch) String() string { return "watch over the screen" }

// Run looks until ctx ends.
func (s screenWatch) Run(ctx context.Context) error {
	var hardware *watchdog.Device
	if path := s.config.Health.Watchdog; path != "" {
		device, err := watchdog.Open(path, hardwareTimeout)
		s.fault(faultWatchdog, err)
		if err != nil {
			s.log.Warn("The hardware watchdog isn't fed", "err", err)
		} else {
			hardware = device
		}
	}
	m := health.New(health.Config{
		Observe: s.observe, Can: s.canMend, Act: s.mend,
		File:  filepath.Join(s.config.State, healthFile),
		Fault: func(err error) { s.fault(faultScreen, err) },
		Event: func(message string) { s.session.Event("screen", message, s.clock.Now()) },
		Feed:  func() { s.feed(hardware) },
		Tick:  s.healthTick(hardware), Limits: s.limits,
		Log: s.log,
	})
	err := m.Run(ctx)
	if hardware == nil {
		return err
	}
	if m.Condemned() {
		// Whatever was to start again is doing so. If it hangs, the hardware sees to it.
		return errors.Join(err, hardware.Abandon())
	}
	return errors.Join(err, hardware.Close())
}

// healthTick is how often to look: often enough for the least patient watchdog.
func (s screenWatch) healthTick(hardware *watchdog.Device) time.Duration {
	tick := health.Tick
	if s.config.Alive != nil && s.config.AliveEvery > 0 {
		tick = min(tick, s.config.AliveEvery/3)
	}
	if hardware != nil {
		tick = min(tick, hardware.Timeout/3)
	}
	return tick
}

func (s screenWatch) feed(hardware *watchdog.Device) {
	if s.config.Alive != nil {
		s.config.Alive()
	}
	if hardware == nil {
		return
	}
	if err := hardware.Feed(); err != nil {
		s.log.Warn("The hardware watchdog can't be fed", "err", err)
	}
}

// observe is what is known of the screen now.
func (s screenWatch) observe() health.Observation {
	on, ok := s.player.On()
	o := health.Observation{Wall: s.clock.Now(), Nothing: ok && on.Standby, Ours: s.kiosk != nil && s.config.Kiosk.Told()}
	pages := s.player.OpenPages()
	if o.Ours {
		browser := s.kiosk.Status()
		o.Starts, o.Nothing = browser.Starts, o.Nothing || browser.Paused
		pages = slices.DeleteFunc(pages, func(p player.Page) bool { return !isOurs(p, browser) })
	}
	if len(pages) == 1 {
		p := pages[0]
		o.Page = &health.Page{
			Opened: p.Opened, Heard: p.Heard, Visible: p.Visible, Frames: p.Frames, Drawn: p.Drawn, Changes: p.Changes, Moved: p.Moved, Wrong: s.player.Differs(p),
		}
	}
	return o
}

// canMend says why a step can't be taken here. A viewer that isn't a service starts nothing again but what it has started itself: it may be a guest on
// somebody's desk.
func (s screenWatch) canMend(step health.Step) error {
	if int(step) >= s.config.Health.Steps {
		return errors.New("the settings allow no harder step")
	}
	switch {
	case step == health.Reload && s.player.Pages() == 0:
		return errors.New("no page is open")
	case step == health.Browser && s.kiosk == nil:
		return errors.New("this viewer runs no browser of its own")
	case step == health.Browser && s.kiosk.Status().PID == 0:
		return errors.New("no browser is running")
	case step >= health.Agent && s.config.Restart == nil:
		return errors.New("this viewer isn't a service")
	case step == health.Reboot:
		return power.Check(power.Reboot)
	}
	return nil
}

// mend takes a step.
func (s screenWatch) mend(ctx context.Context, step health.Step) error {
	switch step {
	case health.Reload:
		s.player.Reload()
	case health.Browser:
		s.kiosk.Restart("the screen wasn't right")
	case health.Agent:
		s.failTrial("the screen wasn't right")
		s.config.Restart()
	case health.Reboot:
		s.failTrial("the screen wasn't right")
		return s.bid(ctx, power.Reboot)
	default:
		return fmt.Errorf("there is no step %d", step)
	}
	return nil
}
