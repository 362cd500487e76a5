package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vitrine/agent"
	"vitrine/agent/config"
	"vitrine/agent/provision"
)

// somePage is a page that hears what is to be on the screen.
func somePage(t *testing.T, addr string) (next func(kind, field string) string) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/v1/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() }) // at the end nobody listens
	return func(kind, field string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				t.Fatalf("the page hears nothing of a kind %q: %v", kind, err)
			}
			var m map[string]any
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			if m["type"] == kind {
				text, _ := m[field].(string)
				return text
			}
		}
	}
}

// What is done with a stick is on the screen, over the programme and where the session's state is; what is wrong changes nothing.
func TestSettingsOnTheScreen(t *testing.T) {
	state, anew := t.TempDir(), 0
	a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0", StartAnew: func() { anew++ }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.ServePage(ctx) }()
	<-a.Ready()
	next := somePage(t, a.Page())
	next("hello", "")
	next("status", "")
	stick := t.TempDir()
	put := func(text string) bool {
		t.Helper()
		if err := os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return a.TakeSettings(t.Context(), stick)
	}
	report := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(stick, provision.ReportName))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	if put("name = \"Lobby\"\n\nwifi = \"TOPSECRET\"\n") || anew != 0 {
		t.Error("the viewer starts anew with what is wrong")
	}
	// A page that is slow doesn't hear what was true for a moment only.
	const first, last = "Reading the settings on the USB stick", "NOT taken: vitrine.toml, line 3, column 1: there is no setting called \"wifi\""
	for _, m := range []struct{ kind, field string }{{"status", "message"}, {"identify", "name"}} {
		got := next(m.kind, m.field)
		for strings.Contains(got, first) {
			got = next(m.kind, m.field)
		}
		if !strings.Contains(got, last) {
			t.Errorf("the screen's %s says %q, want %q", m.kind, got, last)
		}
	}
	if got := report(); !strings.Contains(got, "NOT DONE") || strings.Contains(got, "TOPSECRET") {
		t.Errorf("report %s", got)
	}
	if provision.Load(state) != nil {
		t.Error("something is kept")
	}

	if !put("name = \"Lobby\"\n") || anew != 1 {
		t.Error("the viewer doesn't start anew")
	}
	if c, damage, err := provision.Settings(nil, state); err != nil || damage != nil || c.Name != "Lobby" {
		t.Errorf("%+v, %v, %v", c, damage, err)
	}
	if put("name = \"Lobby\"\n") || anew != 1 {
		t.Error("the same settings are taken twice")
	}
	for got := ""; !strings.Contains(got, "are in effect"); {
		got = next("identify", "name")
	}
	if got := report(); !strings.Contains(got, "Done. The settings are in effect") {
		t.Errorf("report %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A viewer that can't be started anew, or is to take nothing, says so.
func TestSettingsRefused(t *testing.T) {
	for want, c := range map[string]agent.Config{
		"can't be started anew by itself": {},
		"usb.settings = \"never\"":        {StartAnew: func() {}, Sticks: config.NoSticks},
	} {
		c.State, c.Page = t.TempDir(), "127.0.0.1:0"
		a, err := agent.New(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		stick := t.TempDir()
		if err := os.WriteFile(filepath.Join(stick, "vitrine.toml"), []byte("name = \"Lobby\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if a.TakeSettings(t.Context(), stick) {
			t.Errorf("%s: they are taken", want)
		}
		if data, err := os.ReadFile(filepath.Join(stick, provision.ReportName)); err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s, %v, want %q", data, err, want)
		}
	}
}

// Two sticks with different settings don't have the viewer start anew for ever: what was put in last counts, until one is pulled out or the power is cut.
func TestTwoSticks(t *testing.T) {
	anew := 0
	a, err := agent.New(agent.Config{State: t.TempDir(), Page: "127.0.0.1:0", StartAnew: func() { anew++ }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	sticks := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	for i, dir := range sticks {
		if err := os.WriteFile(filepath.Join(dir, "vitrine.toml"), fmt.Appendf(nil, "name = \"Stick %d\"\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
		if !a.TakeSettings(t.Context(), dir) {
			t.Errorf("stick %d isn't taken", i)
		}
	}
	for range 2 {
		for i, dir := range sticks {
			if a.TakeSettings(t.Context(), dir) {
				t.Errorf("stick %d is taken again", i)
			}
		}
	}
	if data, err := os.ReadFile(filepath.Join(sticks[1], provision.ReportName)); err != nil || !strings.Contains(string(data), "another stick that is in has other settings") {
		t.Errorf("the report says %s, %v", data, err)
	}
	a.PullOut()
	if !a.TakeSettings(t.Context(), sticks[0]) || anew != len(sticks)+1 {
		t.Errorf("after one was pulled out another isn't taken; %d starts", anew)
	}
}
