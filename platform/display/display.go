// Package display switches the screen behind this machine on and off.
//
// It owns the ways in which that is done, a file for each, and the look at whether it was done. It never decides when: what can't be switched
// stays on.
package display

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// A State is whether a display is on.
type State uint8

// The states.
const (
	// Unknown is that of a display that doesn't tell.
	Unknown State = iota
	On
	Off
)

// String is the word that the protocol uses.
func (s State) String() string { return [...]string{"unknown", "on", "off"}[s] }

func stateOf(on bool) State {
	if on {
		return On
	}
	return Off
}

// The methods that have names. Auto tries those that need no settings, in the order of this list; None switches nothing.
const (
	Auto    = "auto"
	None    = "none"
	Serial  = "serial"
	Command = "command"
	// DRM is the one that must have the graphics card to itself: what draws on it has to let go of it before the display is switched off, and gets it back once it
	// was switched on.
	DRM = "drm"
)

// Methods are all names that Config.Method may have.
var Methods = []string{Auto, "cec", "backlight", "wlopm", "wlr-randr", "xset", DRM, Serial, Command, None}

// lasting are the methods whose display stays off whatever becomes of this machine's picture. What the others switch off comes on with whoever draws next.
var lasting = []string{"cec", "backlight"}

// Config says how the display is switched.
type Config struct {
	// Method is one of Methods; empty means Auto.
	Method string
	// Device is the device file of methods that have one; empty takes the usual one.
	Device string
	// On, Off and Status are shell commands, or what is sent on a serial line. Status may be empty: then it isn't known whether it was done. As
	// a command it succeeds while the display is on; on a line its answer has Answer in it.
	On, Off, Status, Answer string
	// Baud is the speed of the serial line; 0 means 9600.
	Baud int
	// Brightness of a backlight, in percent; 0 leaves it.
	Brightness int
	// Root is where the system's files are; empty means "/".
	Root string
}

// A method is one way to switch a display.
type method interface {
	// found says why this way can't be gone here; nil if it can.
	found(ctx context.Context) error
	set(ctx context.Context, on bool) error
	// state is what can be read back.
	state(ctx context.Context) (State, error)
}

// Times of the look at whether it was done: a television takes some seconds.
const (
	settleTime = 15 * time.Second
	settleLook = 500 * time.Millisecond
	// callTime bounds one look or switch.
	callTime = 10 * time.Second
)

// A Display is the screen behind this machine. It is safe for concurrent use; one call is done at a time.
type Display struct {
	config Config
	make   func(name string, c Config) method

	mu     sync.Mutex
	name   string
	chosen method
	// dark is that the chosen one has switched off what stays off without it: so it comes on again, whatever else is found, and however often that fails.
	dark bool
}

// New makes a display. Nothing is looked for before it is used: a screen, or what drives it, may come later.
func New(c Config) *Display {
	if c.Method == "" {
		c.Method = Auto
	}
	if c.Root == "" {
		c.Root = "/"
	}
	if c.Baud == 0 {
		c.Baud = 9600
	}
	return &Display{config: c, make: newMethod}
}

func newMethod(name string, c Config) method {
	switch name {
	case "backlight":
		return &backlight{root: c.Root, brightness: c.Brightness}
	case "wlopm":
		return &wlopm{root: c.Root}
	case "wlr-randr":
		return &wlrRandr{root: c.Root}
	case "xset":
		return &xset{root: c.Root}
	case Command:
		return &command{c.On, c.Off, c.Status}
	}
	return newDevice(name, c)
}

// ErrNone says that this machine has no way to switch its display.
var ErrNone = fmt.Errorf("no way to switch the display was found: %w", errors.ErrUnsupported)

// Method is the name of the way that is gone; empty before one was found.
func (d *Display) Method() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.name
}

// Set switches the display, and looks whether it was done where that can be seen. The error is ErrNone if there is no way.
func (d *Display) Set(ctx context.Context, on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.choose(ctx)
	if err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := m.set(call, on); err != nil {
		if !d.dark {
			d.chosen = nil // it is looked for anew next time: screens, and what drives them, come and go
		}
		return fmt.Errorf("the display can't be switched %v by %s: %w", stateOf(on), d.name, err)
	}
	if !on {
		d.dark = slices.Contains(lasting, d.name)
	}
	if err := d.settle(ctx, m, stateOf(on)); err != nil {
		return err
	}
	d.dark = d.dark && !on
	return nil
}

// settle waits until the display is in a state.
func (d *Display) settle(ctx context.Context, m method, want State) error {
	deadline := time.Now().Add(settleTime)
	for {
		got, err := d.look(ctx, m)
		if err == nil && (got == want || got == Unknown) {
			return nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = fmt.Errorf("it is still %v", got)
			}
			return fmt.Errorf("the display was switched %v by %s, and it isn't: %w", want, d.name, err)
		}
		timer := time.NewTimer(settleLook)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// State looks whether the display is on.
func (d *Display) State(ctx context.Context) (State, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, err := d.choose(ctx)
	if err != nil {
		return Unknown, err
	}
	return d.look(ctx, m)
}

func (d *Display) look(ctx context.Context, m method) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return m.state(ctx)
}

// choose finds the way, and keeps to it until it fails. d.mu is held.
func (d *Display) choose(ctx context.Context) (method, error) {
	if d.chosen != nil {
		return d.chosen, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	switch d.config.Method {
	case None:
		return nil, ErrNone
	case Auto:
		for _, name := range Methods {
			if slices.Contains([]string{Auto, Serial, Command, None}, name) {
				continue
			}
			if m := d.make(name, d.config); m != nil && m.found(ctx) == nil {
				d.chosen, d.name = m, name
				return m, nil
			}
		}
		return nil, ErrNone
	}
	m := d.make(d.config.Method, d.config)
	if m == nil {
		return nil, fmt.Errorf("display.method %q isn't there on this system: %w", d.config.Method, errors.ErrUnsupported)
	}
	if err := m.found(ctx); err != nil {
		return nil, fmt.Errorf("the display can't be switched by %s: %w", d.config.Method, err)
	}
	d.chosen, d.name = m, d.config.Method
	return m, nil
}

// glob lists the files of a pattern below root, in order.
func glob(root, pattern string) []string {
	list, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	if err != nil {
		return nil // the patterns are ours
	}
	return list
}

// each calls do with every one of some things, and fails if it worked for none.
func each(list []string, do func(string) error) error {
	var failures []error
	for _, s := range list {
		if err := do(s); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) < len(list) {
		return nil
	}
	return errors.Join(failures...)
}

// lines are the lines of a program's answer.
func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
