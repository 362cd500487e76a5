package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine/platform/display"
)

// panel is the form of [display], rest that of [standby], and machine that of [power].
type (
	panel struct {
		Method     string `toml:"method"`
		Device     string `toml:"device"`
		On         string `toml:"on"`
		Off        string `toml:"off"`
		Status     string `toml:"status"`
		Answer     string `toml:"answer"`
		Baud       int    `toml:"baud"`
		Brightness int    `toml:"brightness"`
	}
	rest struct {
		Mode string `toml:"mode"`
		Wake *int   `toml:"wake_minutes"`
	}
	machine struct {
		Reboot string `toml:"reboot"`
	}
)

// What standby does with the machine itself, beside switching the display off.
const (
	// StandbyDisplay is nothing: it goes on running.
	StandbyDisplay  = "display"
	StandbySuspend  = "suspend"
	StandbyPowerOff = "poweroff"
)

// Standby says what a viewer does while it is on standby.
type Standby struct {
	// Mode is one of the constants above; empty means StandbyDisplay.
	Mode string
	// WakeTime is how long a wake outside the operating hours lasts; 0 leaves it to the agent.
	WakeTime time.Duration
}

// A TimeOfDay is the time since midnight by the clock on the wall.
type TimeOfDay time.Duration

func (p panel) check() (display.Config, error) {
	if p.Method != "" && !slices.Contains(display.Methods, p.Method) {
		return display.Config{}, fmt.Errorf("display.method: %.40q is not one of %s", p.Method, strings.Join(display.Methods, ", "))
	}
	if p.Brightness < 0 || p.Brightness > 100 {
		return display.Config{}, fmt.Errorf("display.brightness: %d is out of range; want 1 to 100 percent", p.Brightness)
	}
	spoken := p.Method == display.Serial || p.Method == display.Command
	switch {
	case spoken && (p.On == "" || p.Off == ""):
		return display.Config{}, fmt.Errorf("display.on and display.off: the method %q needs both", p.Method)
	case !spoken && p.On+p.Off+p.Status+p.Answer != "":
		return display.Config{}, fmt.Errorf("display.on, off, status and answer are for the methods %q and %q only", display.Serial, display.Command)
	case p.Method == display.Serial && p.Device == "":
		return display.Config{}, errors.New("display.device: want the serial line, such as /dev/ttyUSB0")
	case p.Method == display.Serial && p.Status != "" && p.Answer == "":
		return display.Config{}, errors.New("display.answer: want what the display answers to status while it is on")
	}
	if p.Method == display.Serial {
		for name, text := range map[string]string{"on": p.On, "off": p.Off, "status": p.Status, "answer": p.Answer} {
			if _, err := display.Bytes(text); err != nil {
				return display.Config{}, fmt.Errorf("display.%s: %w", name, err)
			}
		}
	}
	return display.Config{
		Method: p.Method, Device: p.Device, On: p.On, Off: p.Off, Status: p.Status, Answer: p.Answer, Baud: p.Baud, Brightness: p.Brightness,
	}, nil
}

func (r rest) check() (s Standby, err error) {
	switch r.Mode {
	case "", StandbyDisplay, StandbySuspend, StandbyPowerOff:
	default:
		return Standby{}, fmt.Errorf("standby.mode: %.40q: want %q, %q or %q", r.Mode, StandbyDisplay, StandbySuspend, StandbyPowerOff)
	}
	s.Mode = r.Mode
	if r.Wake != nil {
		if *r.Wake < 1 || *r.Wake > 24*60 {
			return Standby{}, fmt.Errorf("standby.wake_minutes: %d is out of range; want 1 to 1440", *r.Wake)
		}
		s.WakeTime = time.Duration(*r.Wake) * time.Minute
	}
	return s, nil
}

// check gives nil for a machine that isn't started anew every day.
func (m machine) check() (*TimeOfDay, error) {
	if m.Reboot == "" {
		return nil, nil
	}
	d, err := parseTimeOfDay(m.Reboot)
	if err != nil || d >= 24*time.Hour {
		return nil, fmt.Errorf("power.reboot: %.40q is not a time of the day such as \"04:00\"", m.Reboot)
	}
	t := TimeOfDay(d)
	return &t, nil
}
