package display

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A fake is a display that does what it is told after some looks, or never.
type fake struct {
	absent, refuses error
	shown           State
	wanted          State
	looks           int
}

func (f *fake) found(context.Context) error { return f.absent }

func (f *fake) set(_ context.Context, on bool) error {
	f.wanted = stateOf(on)
	return f.refuses
}

func (f *fake) state(context.Context) (State, error) {
	if f.looks--; f.looks < 0 {
		f.shown = f.wanted
	}
	return f.shown, nil
}

// with makes a display of fakes.
func with(name string, fakes map[string]*fake) *Display {
	d := New(Config{Method: name})
	d.make = func(name string, _ Config) method {
		if f := fakes[name]; f != nil {
			return f
		}
		return nil
	}
	return d
}

func TestSetWaitsUntilItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{shown: Off, looks: 6}
		d, began := with("cec", map[string]*fake{"cec": f}), time.Now()
		if err := d.Set(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Second || d.Method() != "cec" {
			t.Errorf("%v by %s", took, d.Method())
		}
		f.looks = 1000
		if err := d.Set(t.Context(), false); err == nil || !strings.Contains(err.Error(), "switched off by cec, and it isn't: it is still on") {
			t.Errorf("one that stays on: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if err := d.Set(ctx, false); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("it isn't given up when it isn't wanted any more: %v", err)
		}
	})
}

func TestAutoTakesWhatIsThere(t *testing.T) {
	absent := errors.New("not here")
	fakes := map[string]*fake{"cec": {absent: absent}, "xset": {}, "drm": {}}
	d := with("", fakes)
	if err := d.Set(t.Context(), false); err != nil || d.Method() != "xset" {
		t.Errorf("%v by %s", err, d.Method())
	}
	// The X server goes, and a television answers.
	fakes["xset"].refuses, fakes["xset"].absent, fakes["cec"].absent = absent, absent, nil
	if err := d.Set(t.Context(), true); !errors.Is(err, absent) {
		t.Errorf("a failure is hidden: %v", err)
	}
	if err := d.Set(t.Context(), true); err != nil || d.Method() != "cec" {
		t.Errorf("%v by %s", err, d.Method())
	}
	for _, none := range []*Display{with("", nil), with(None, fakes)} {
		if err := none.Set(t.Context(), false); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without a way: %v", err)
		}
	}
	if err := with("drm", map[string]*fake{"drm": {absent: absent}}).Set(t.Context(), true); !errors.Is(err, absent) || !strings.Contains(err.Error(), "by drm") {
		t.Errorf("a method that isn't there: %v", err)
	}
}

// A television stays off until it is told otherwise. That others can be switched doesn't help.
func TestAutoKeepsWhatIsDark(t *testing.T) {
	away := errors.New("it doesn't answer")
	fakes := map[string]*fake{"cec": {}, "xset": {}}
	d := with("", fakes)
	if err := d.Set(t.Context(), false); err != nil || d.Method() != "cec" {
		t.Errorf("%v by %s", err, d.Method())
	}
	fakes["cec"].absent, fakes["cec"].refuses = away, away
	for range 2 {
		for _, on := range []bool{false, true} {
			if err := d.Set(t.Context(), on); !errors.Is(err, away) {
				t.Errorf("while it is away: %v by %s", err, d.Method())
			}
		}
	}
	fakes["cec"].refuses = nil
	if err := d.Set(t.Context(), true); err != nil || fakes["cec"].shown != On {
		t.Errorf("when it is there again: %v by %s, %v", err, d.Method(), fakes["cec"].shown)
	}
	fakes["cec"].refuses = away
	if err := d.Set(t.Context(), true); !errors.Is(err, away) {
		t.Error(err)
	}
	if err := d.Set(t.Context(), true); err != nil || d.Method() != "xset" {
		t.Errorf("one that goes while it is on: %v by %s", err, d.Method())
	}
}

// system makes the system's files in a folder.
func system(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestBacklight(t *testing.T) {
	root := system(t, map[string]string{
		"sys/class/backlight/panel/bl_power": "0\n", "sys/class/backlight/panel/brightness": "3\n", "sys/class/backlight/panel/max_brightness": "255\n",
	})
	d := New(Config{Root: root, Brightness: 50})
	for _, on := range []bool{false, true} {
		if err := d.Set(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		if got, err := d.State(t.Context()); got != stateOf(on) || err != nil || d.Method() != "backlight" {
			t.Errorf("%v by %s, %v", got, d.Method(), err)
		}
	}
	panel := filepath.Join(root, "sys", "class", "backlight", "panel")
	if power, brightness := read(t, filepath.Join(panel, "bl_power")), read(t, filepath.Join(panel, "brightness")); power != "0" || brightness != "127" {
		t.Errorf("power %s, brightness %s", power, brightness)
	}
	if err := os.WriteFile(filepath.Join(panel, "bl_power"), []byte("dark"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.State(t.Context()); err == nil || !strings.Contains(err.Error(), "is not a number") {
		t.Errorf("nonsense: %v", err)
	}
}

func TestParsers(t *testing.T) {
	for text, want := range map[string]State{"HDMI-A-1 on\nDP-1 off\n": On, "HDMI-A-1 off\n": Off, "": Unknown, "error: no outputs found": Unknown} {
		if got := parseWlopm(text); got != want {
			t.Errorf("wlopm %q: %v", text, got)
		}
	}
	randr := "HDMI-A-1 \"LG (HDMI-A-1)\"\n  Make: LG\n  Enabled: yes\n  Modes:\n    1920x1080 px\nDP-1 \"Other\"\n  Enabled: no\n"
	if outputs, state := parseRandr(randr); len(outputs) != 2 || outputs[0] != "HDMI-A-1" || outputs[1] != "DP-1" || state != On {
		t.Errorf("wlr-randr: %v, %v", outputs, state)
	}
	if outputs, state := parseRandr("DP-1 \"Other\"\n  Enabled: no\n\n"); len(outputs) != 1 || state != Off {
		t.Errorf("wlr-randr: %v, %v", outputs, state)
	}
	for text, want := range map[string]State{
		"DPMS (Energy Star):\n  DPMS is Enabled\n  Monitor is On\n": On, "  Monitor is Off": Off, "  Monitor is in Standby": Off, "  DPMS is Disabled\n": Unknown,
	} {
		if got := parseXset(text); got != want {
			t.Errorf("xset %q: %v", text, got)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add("HDMI-A-1 \"x\"\n  Enabled: yes\n")
	f.Add("  Monitor is On")
	f.Fuzz(func(t *testing.T, text string) {
		parseWlopm(text)
		parseXset(text)
		if outputs, state := parseRandr(text); state > Off || len(outputs) > len(text) {
			t.Errorf("%v, %v", outputs, state)
		}
	})
}

func TestBytes(t *testing.T) {
	if b, err := Bytes("ka\r\u00aaÿ"); err != nil || string(b) != "ka\r\xaa\xff" {
		t.Errorf("%x, %v", b, err)
	}
	if _, err := Bytes("€"); err == nil {
		t.Error("a character that is no byte was taken")
	}
}
