package display

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs puts stand-ins before all others: each keeps the state in a file, as an output that is on or off, and notes how it was called.
func programs(t *testing.T, scripts map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state"), []byte("on"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, script := range scripts {
		text := "#!/bin/sh\ncd " + dir + "\necho \"$0 $* $WAYLAND_DISPLAY $DISPLAY\" >>calls\n" + script
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("DISPLAY", "")
	return dir
}

func TestPrograms(t *testing.T) {
	for name, c := range map[string]struct{ script, called string }{
		"wlopm":     {`case $1 in --*) echo ${1#--} >state;; *) echo "HDMI-A-1 $(cat state)";; esac`, "wlopm --off * wayland-1"},
		"wlr-randr": {`case $3 in --*) echo ${3#--} >state;; *) printf 'HDMI-A-1 "TV"\n  Enabled: '; grep -q on state && echo yes || echo no;; esac`, "wlr-randr --output HDMI-A-1 --off wayland-1"},
		"xset":      {`case $1 in dpms) echo $3 >state;; *) printf '  Monitor is '; grep -q on state && echo On || echo Off;; esac`, "xset dpms force off"},
	} {
		dir := programs(t, map[string]string{name: c.script + "\n"})
		root := system(t, map[string]string{"run/user/1000/wayland-1": ""})
		d := New(Config{Root: root, Method: Auto})
		for _, on := range []bool{false, true} {
			if err := d.Set(t.Context(), on); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := d.State(t.Context()); got != stateOf(on) || err != nil || d.Method() != name {
				t.Errorf("%s: %v by %s, %v", name, got, d.Method(), err)
			}
		}
		if calls := read(t, filepath.Join(dir, "calls")); !strings.Contains(calls, c.called) {
			t.Errorf("%s: called\n%s", name, calls)
		}
		os.Remove(filepath.Join(dir, name))
		if err := New(Config{Method: name, Root: root}).Set(t.Context(), true); err == nil || !strings.Contains(err.Error(), "isn't installed") {
			t.Errorf("%s that is missing: %v", name, err)
		}
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	d := New(Config{Method: Command, On: "touch " + dir + "/on", Off: "rm " + dir + "/on", Status: "test -e " + dir + "/on"})
	for _, on := range []bool{true, false} {
		if err := d.Set(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		if got, err := d.State(t.Context()); got != stateOf(on) || err != nil {
			t.Errorf("%v, %v; want %v", got, err, stateOf(on))
		}
	}
	if err := d.Set(t.Context(), false); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("a command that fails: %v", err)
	}
	blind := New(Config{Method: Command, On: "true", Off: "true"})
	if err := blind.Set(t.Context(), false); err != nil {
		t.Error(err)
	}
	if got, err := blind.State(t.Context()); got != Unknown || err != nil {
		t.Errorf("without a look: %v, %v", got, err)
	}
}
