package config

import (
	"fmt"
	"path/filepath"
	"slices"
)

// health is the form of [health].
type health struct {
	Hardest  string `toml:"hardest"`
	Watchdog string `toml:"watchdog"`
}

// Steps are the values of health.hardest, each harder than the one before.
var Steps = []string{"none", "reload", "browser", "agent", "reboot"}

// Health says what is done about a screen that doesn't show the right thing.
type Health struct {
	// Hardest is one of Steps; empty means all of them.
	Hardest string
	// Watchdog is the device file of the hardware watchdog; empty if it isn't to be fed.
	Watchdog string
}

func (h health) check() (Health, error) {
	if h.Hardest != "" && !slices.Contains(Steps, h.Hardest) {
		return Health{}, fmt.Errorf("health.hardest: %.40q: want none, reload, browser, agent or reboot", h.Hardest)
	}
	if h.Watchdog != "" && !filepath.IsAbs(h.Watchdog) {
		return Health{}, fmt.Errorf("health.watchdog: %.40q: want the path of a device, such as /dev/watchdog", h.Watchdog)
	}
	return Health(h), nil
}
