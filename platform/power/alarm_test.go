package power

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

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

func read(t *testing.T, root, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAlarm(t *testing.T) {
	root := system(t, map[string]string{
		"sys/class/rtc/rtc0/since_epoch":         "1000000\n", // this one has no alarm
		"sys/class/rtc/rtc1/since_epoch":         "1700000000\n",
		"sys/class/rtc/rtc1/wakealarm":           "",
		"sys/class/rtc/rtc1/device/power/wakeup": "disabled\n",
	})
	if err := SetAlarm(root, 8*time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := read(t, root, "sys/class/rtc/rtc1/wakealarm"); got != "1700028800" {
		t.Errorf("the alarm is %q", got)
	}
	if got := read(t, root, "sys/class/rtc/rtc1/device/power/wakeup"); got != "enabled" {
		t.Errorf("the clock may wake the machine: %q", got)
	}
	if err := ClearAlarm(root); err != nil || read(t, root, "sys/class/rtc/rtc1/wakealarm") != "0" {
		t.Errorf("the alarm was not taken back: %v", err)
	}
}

// A clock that takes no alarm, or forgets it, must never count as one that wakes the machine.
func TestAlarmThatDoesNotWork(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no clock":     {map[string]string{"sys/class/rtc/rtc0/since_epoch": "1"}, "no clock with an alarm"},
		"no time":      {map[string]string{"sys/class/rtc/rtc0/since_epoch": "", "sys/class/rtc/rtc0/wakealarm": ""}, "no time in it"},
		"not writable": {map[string]string{"sys/class/rtc/rtc0/since_epoch": "1", "sys/class/rtc/rtc0/wakealarm/x": ""}, "can't be set"},
	} {
		err := SetAlarm(system(t, c.files), time.Hour)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	root := system(t, map[string]string{"sys/class/rtc/rtc0/since_epoch": "1700000000"})
	if err := os.Symlink("/dev/null", filepath.Join(root, "sys", "class", "rtc", "rtc0", "wakealarm")); err != nil {
		t.Skip(err)
	}
	if err := SetAlarm(root, time.Hour); err == nil {
		t.Error("an alarm that is forgotten counts")
	}
	if err := SetAlarm(t.TempDir(), time.Hour); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without a clock: %v", err)
	}
}
