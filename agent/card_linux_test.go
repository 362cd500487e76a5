package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent/config"
	"vitrine/agent/health"
	"vitrine/agent/kiosk"
	"vitrine/platform/display"
)

// An output of a graphics card can be switched off by nobody else while a browser draws on the card.
type output struct {
	kiosk func() *kiosk.Kiosk
	lamp
}

func (o *output) Set(ctx context.Context, on bool) error {
	if !on && o.kiosk().Status().PID != 0 {
		return errors.New("another program has the card")
	}
	return o.lamp.Set(ctx, on)
}

func (o *output) Method() string { return display.DRM }

// Where the browser has the graphics card, it goes for a standby with the display off. That is right: nothing is done about it, and it is told. It comes back with the wake.
func TestStandbyEndsTheBrowser(t *testing.T) {
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("DISPLAY", "")
	dir := t.TempDir()
	browser := filepath.Join(dir, "browser")
	if err := os.WriteFile(browser, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := New(Config{
		State: filepath.Join(dir, "state"), Page: "127.0.0.1:0", Discovery: config.Discovery{Interfaces: []string{"none"}}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Health: HealthOf(config.Health{}), Kiosk: config.Kiosk{Command: []string{browser, "{url}"}},
		Restart: func() { t.Error("the agent starts again") },
	})
	if err != nil {
		t.Fatal(err)
	}
	a.screen.display = &output{kiosk: func() *kiosk.Kiosk { return a.kiosk }, lamp: lamp{state: display.On}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	shown := func(state string, paused bool, starts int) func(health.Observation) bool {
		return func(o health.Observation) bool {
			b := a.Status().Browser
			return a.Status().Display.State == state && b.Paused == paused && b.Running == !paused && b.Starts == starts && o.Nothing == paused
		}
	}
	awaitScreen(t, a, "on", shown("on", false, 1))
	if _, err := a.standBy(ctx, nil); err != nil { // without a programme nothing but this says that the screen may be dark
		t.Fatal(err)
	}
	awaitScreen(t, a, "off", shown("off", true, 1))
	judge := health.Judge{Limits: health.Usual}
	for o, i := (screenWatch{a}).observe(), 0; i < 100; i++ {
		o.Now, o.Wall = o.Now.Add(health.Tick), o.Wall.Add(health.Tick)
		if v := judge.Look(o); v.Kind != health.Right {
			t.Fatalf("on standby the screen isn't right: %+v", v)
		}
	}
	if problem := a.screenProblem(); problem != "" || len(a.faults.list()) > 0 {
		t.Errorf("on standby: %q, %+v", problem, a.faults.list())
	}
	if _, err := a.picture(ctx, screenshotWidth, screenshotQuality); err == nil || !strings.Contains(err.Error(), "the display is off") {
		t.Errorf("a picture on standby: %v", err)
	}
	if _, err := a.restartPlayer(ctx, nil); err == nil || !strings.Contains(err.Error(), "the display is off") {
		t.Errorf("restart-player on standby: %v", err)
	}
	a.rouse("a magic packet")
	awaitScreen(t, a, "on again", shown("on", false, 2))

	// A release on trial shows by its page what it can do: the display goes off later.
	a.releases.mu.Lock()
	a.releases.trial = true
	a.releases.mu.Unlock()
	if err := a.screen.painter.Pause(ctx); !errors.Is(err, errNeeded) || a.kiosk.Status().Paused {
		t.Errorf("on trial: %v, %+v", err, a.kiosk.Status())
	}
	if problem := a.screenProblem(); problem != "no page was open" {
		t.Errorf("a trial without a page: %q", problem)
	}
}
