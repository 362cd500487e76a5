package kiosk

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// paused has a kiosk whose browsers note their helpers' processes.
func paused(t *testing.T, before string) (k *Kiosk, helpers func() []int) {
	t.Helper()
	note := filepath.Join(t.TempDir(), "note")
	k = New(Config{
		Command: []string{script(t, before+"sleep 1000 & echo $! >> "+note+"; while :; do wait; done")},
		Profile: filepath.Join(t.TempDir(), "profile"), URL: func() string { return "" }, Ready: ready,
		Failed: func(err error) {
			if err != nil {
				t.Errorf("failed: %v", err)
			}
		},
		Restarted: func(why string) { t.Errorf("started again: %s", why) },
	})
	return k, func() (pids []int) {
		for _, line := range lines(note) {
			pid, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		return pids
	}
}

// In a pause nothing of a browser is left, and none is started; at its end there is one at once.
func TestPause(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		rounds int
	}{"well": {"", 3}, "deaf": {"trap '' TERM\n", 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, helpers := paused(t, c.before)
			if err := k.Pause(t.Context()); err != nil { // before the first
				t.Fatal(err)
			}
			start(t, k)
			for round := range c.rounds {
				if s := k.Status(); s.PID != 0 || !s.Paused || s.Starts != round {
					t.Fatalf("in the pause: %+v", s)
				}
				k.Resume()
				await(t, "there", func() bool { return len(helpers()) == round+1 && k.Status().PID != 0 && !k.Status().Paused })
				if err := k.Pause(t.Context()); err != nil {
					t.Fatal(err)
				}
				helper := helpers()[round]
				await(t, "rid of its helper", func() bool { return syscall.Kill(helper, 0) != nil || zombie(helper) })
			}
		})
	}
}

// A pause that ends while its browser is still ending has another come.
func TestPauseEndsEarly(t *testing.T) {
	k, helpers := paused(t, "trap '' TERM\n")
	start(t, k)
	await(t, "started", func() bool { return len(helpers()) == 1 })
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Pause(hurry); !errors.Is(err, context.Canceled) {
		t.Fatalf("a deaf browser is gone at once: %v", err)
	}
	k.Resume()
	await(t, "started again", func() bool { return len(helpers()) == 2 })
}

// A pause that begins while a browser is about to be has none, at whatever moment.
func TestPauseAtAnyMoment(t *testing.T) {
	k, helpers := paused(t, "")
	start(t, k)
	for range 50 {
		if err := k.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := k.Status(); s.PID != 0 || !s.Paused {
			t.Fatalf("in the pause: %+v", s)
		}
		k.Resume()
	}
	before := len(helpers())
	await(t, "there", func() bool { return len(helpers()) > before && k.Status().PID != 0 })
}

func TestOnCard(t *testing.T) {
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("DISPLAY", "")
	for name, c := range map[string]struct {
		config Config
		want   bool
	}{
		"alone":       {Config{Browser: "chromium"}, true},
		"its command": {Config{Command: []string{"cage", "--", "chromium", "{url}"}}, true},
		"on X":        {Config{Browser: "chromium", Environment: []string{"DISPLAY=:0"}}, false},
		"on Wayland":  {Config{Browser: "chromium", Environment: []string{"WAYLAND_DISPLAY=wayland-0"}}, false},
		"headless":    {Config{Browser: "chromium", Arguments: []string{"--headless"}}, false},
	} {
		if got := New(c.config).OnCard(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
