package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// kiosk is the form of [kiosk].
type kiosk struct {
	Browser     string   `toml:"browser"`
	Command     []string `toml:"command"`
	Arguments   []string `toml:"arguments"`
	User        string   `toml:"user"`
	Environment []string `toml:"environment"`
	Memory      string   `toml:"memory"`
}

// Values of Kiosk.Browser that aren't kinds or paths.
const (
	BrowserAuto = "auto"
	BrowserNone = "none"
)

// Kiosk says which browser is kept on the screen.
type Kiosk struct {
	// Browser is BrowserAuto, BrowserNone, a kind such as chromium, or the path of a program. Empty leaves it to whoever runs the agent.
	Browser string
	// Command is run instead, if it isn't empty; "{url}" in it is the page's address, and "{profile}" an empty folder.
	Command []string
	// Arguments are given to it behind its own, and Environment are NAME=VALUE settings for it.
	Arguments, Environment []string
	// User is who runs it; empty means whoever the display belongs to.
	User string
	// Memory is how much of the machine's memory it may use.
	Memory Amount
}

// Told tells whether the browser is given the page's address. A command may have one of its own, and show whatever it likes.
func (k Kiosk) Told() bool {
	return len(k.Command) == 0 || slices.ContainsFunc(slices.Concat(k.Command, k.Arguments), func(word string) bool { return strings.Contains(word, "{url}") })
}

// leastMemory is the lowest limit, in bytes: no browser shows anything with less, and it would be started again for ever.
const leastMemory = 100e6

func (k kiosk) check() (checked Kiosk, err error) {
	checked = Kiosk{Browser: k.Browser, Command: k.Command, Arguments: k.Arguments, Environment: k.Environment, User: k.User}
	if k.Browser != "" && len(k.Command) > 0 {
		return Kiosk{}, errors.New("kiosk.browser and kiosk.command don't go together: the command is run in place of a browser that is found")
	}
	if len(k.Command) > 0 && k.Command[0] == "" {
		return Kiosk{}, errors.New("kiosk.command[0]: want the name of a program")
	}
	for i, setting := range k.Environment {
		if name, _, ok := strings.Cut(setting, "="); !ok || name == "" {
			return Kiosk{}, fmt.Errorf("kiosk.environment[%d]: %.40q: want NAME=VALUE", i, setting)
		}
	}
	if k.Memory == "" {
		return checked, nil
	}
	if checked.Memory, err = parseAmount(k.Memory); err != nil {
		return Kiosk{}, fmt.Errorf("kiosk.memory: %w", err)
	}
	if m := checked.Memory; m.Percent == 0 && m.Bytes < leastMemory {
		return Kiosk{}, fmt.Errorf("kiosk.memory: %.40q: want at least 100 MB", k.Memory)
	}
	return checked, nil
}
