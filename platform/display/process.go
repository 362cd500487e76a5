package display

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"vitrine/platform/child"
)

// run runs a program to its end, and gives what it printed.
func run(ctx context.Context, env []string, argv ...string) (string, error) {
	// A child ends with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := child.Command(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), env...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w %.200s", strings.Join(argv, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// installed says that a program is missing.
func installed(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("the program %s isn't installed", name)
	}
	return nil
}

// wayland is the environment by which programs reach the compositor: this process's own, or that of the one session of the machine.
func wayland(root string) []string {
	if os.Getenv("WAYLAND_DISPLAY") != "" {
		return nil
	}
	for _, socket := range glob(root, "run/user/*/wayland-[0-9]") {
		return []string{"XDG_RUNTIME_DIR=" + filepath.Dir(socket), "WAYLAND_DISPLAY=" + filepath.Base(socket)}
	}
	return nil
}

// wlopm switches the outputs of a Wayland compositor (wlr-output-power-management).
type wlopm struct{ root string }

func (w *wlopm) found(ctx context.Context) error {
	if err := installed("wlopm"); err != nil {
		return err
	}
	_, err := run(ctx, wayland(w.root), "wlopm")
	return err
}

func (w *wlopm) set(ctx context.Context, on bool) error {
	_, err := run(ctx, wayland(w.root), "wlopm", "--"+stateOf(on).String(), "*")
	return err
}

func (w *wlopm) state(ctx context.Context) (State, error) {
	out, err := run(ctx, wayland(w.root), "wlopm")
	return parseWlopm(out), err
}

// parseWlopm reads lines such as "HDMI-A-1 on". One output that is on is enough.
func parseWlopm(text string) State {
	state := Unknown
	for _, line := range lines(text) {
		switch fields := strings.Fields(line); {
		case len(fields) != 2:
		case fields[1] == "on":
			return On
		case fields[1] == "off":
			state = Off
		}
	}
	return state
}

// wlrRandr takes the outputs of a Wayland compositor away, and gives them back (wlr-output-management).
type wlrRandr struct{ root string }

func (w *wlrRandr) found(ctx context.Context) error {
	if err := installed("wlr-randr"); err != nil {
		return err
	}
	_, err := run(ctx, wayland(w.root), "wlr-randr")
	return err
}

func (w *wlrRandr) set(ctx context.Context, on bool) error {
	out, err := run(ctx, wayland(w.root), "wlr-randr")
	if err != nil {
		return err
	}
	outputs, _ := parseRandr(out)
	return each(outputs, func(output string) error {
		_, err := run(ctx, wayland(w.root), "wlr-randr", "--output", output, "--"+stateOf(on).String())
		return err
	})
}

func (w *wlrRandr) state(ctx context.Context) (State, error) {
	out, err := run(ctx, wayland(w.root), "wlr-randr")
	_, state := parseRandr(out)
	return state, err
}

// parseRandr reads the outputs, whose lines alone are not indented, and whether one is on: "  Enabled: yes".
func parseRandr(text string) (outputs []string, state State) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case line[0] != ' ' && line[0] != '\t':
			outputs = append(outputs, fields[0])
		case fields[0] != "Enabled:" || len(fields) < 2:
		case fields[1] == "yes":
			state = On
		case state == Unknown:
			state = Off
		}
	}
	return outputs, state
}

// xset switches the screen of an X server by its DPMS extension.
type xset struct{ root string }

func (x *xset) env() []string {
	if os.Getenv("DISPLAY") != "" {
		return nil
	}
	return []string{"DISPLAY=:0"}
}

func (x *xset) found(ctx context.Context) error {
	if err := installed("xset"); err != nil {
		return err
	}
	_, err := run(ctx, x.env(), "xset", "q")
	return err
}

func (x *xset) set(ctx context.Context, on bool) error {
	_, err := run(ctx, x.env(), "xset", "dpms", "force", stateOf(on).String())
	return err
}

func (x *xset) state(ctx context.Context) (State, error) {
	out, err := run(ctx, x.env(), "xset", "q")
	return parseXset(out), err
}

// parseXset reads "  Monitor is On", "Off", "in Standby" or "in Suspend".
func parseXset(text string) State {
	for _, line := range lines(text) {
		if monitor, ok := strings.CutPrefix(strings.TrimSpace(line), "Monitor is "); ok {
			return stateOf(monitor == "On")
		}
	}
	return Unknown
}

// command is shell commands of the settings.
type command struct{ on, off, status string }

func (c *command) found(context.Context) error { return nil }

func shell(line string) []string {
	if runtime.GOOS == "windows" {
		return []string{"cmd", "/c", line}
	}
	return []string{"/bin/sh", "-c", line}
}

func (c *command) set(ctx context.Context, on bool) error {
	line := c.off
	if on {
		line = c.on
	}
	_, err := run(ctx, nil, shell(line)...)
	return err
}

func (c *command) state(ctx context.Context) (State, error) {
	if c.status == "" {
		return Unknown, nil
	}
	_, err := run(ctx, nil, shell(c.status)...)
	if err != nil && ctx.Err() != nil {
		return Unknown, err
	}
	return stateOf(err == nil), nil
}
