package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/config"
)

func TestKiosk(t *testing.T) {
	for text, want := range map[string]config.Kiosk{
		`browser = "none"`: {Browser: config.BrowserNone},
		`browser = "/opt/x"` + "\n" + `arguments = ["--a", "--b=c"]`:           {Browser: "/opt/x", Arguments: []string{"--a", "--b=c"}},
		`command = ["cage", "--", "cog", "{url}"]` + "\n" + `user = "signage"`: {Command: []string{"cage", "--", "cog", "{url}"}, User: "signage"},
		`memory = "50 %"`: {Memory: config.Amount{Percent: 50}},
		`memory = "1 GB"` + "\n" + `environment = ["WAYLAND_DISPLAY=wayland-1", "A="]`: {Memory: config.Amount{Bytes: 1e9}, Environment: []string{"WAYLAND_DISPLAY=wayland-1", "A="}},
	} {
		got, err := config.Parse([]byte("[kiosk]\n" + text))
		if diff := cmp.Diff(want, got.Kiosk); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		`browser = "auto"` + "\n" + `command = ["x"]`: "don't go together",
		`command = [""]`:                   "kiosk.command[0]",
		`environment = ["A=1", "novalue"]`: "kiosk.environment[1]",
		`memory = "a lot"`:                 "kiosk.memory",
		`memory = "10 MB"`:                 "at least 100 MB",
		`memory = "0 %"`:                   "kiosk.memory",
		`fullscreen = true`:                `there is no setting called "kiosk.fullscreen"`,
	} {
		if _, err := config.Parse([]byte("[kiosk]\n" + text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestTold(t *testing.T) {
	for want, all := range map[bool][]config.Kiosk{
		true:  {{Browser: "auto"}, {Command: []string{"cage", "cog", "{url}"}}, {Command: []string{"x"}, Arguments: []string{"--app={url}"}}},
		false: {{Command: []string{"chromium", "http://127.0.0.1:7238/"}}},
	} {
		for _, k := range all {
			if k.Told() != want {
				t.Errorf("%+v: %v", k, !want)
			}
		}
	}
}

func TestHealth(t *testing.T) {
	c, err := config.Parse([]byte("[health]\nhardest = \"agent\"\nwatchdog = \"/dev/watchdog0\"\n"))
	if want := (config.Health{Hardest: "agent", Watchdog: "/dev/watchdog0"}); err != nil || c.Health != want {
		t.Errorf("%+v, %v", c.Health, err)
	}
	for text, want := range map[string]string{`hardest = "explode"`: "health.hardest", `watchdog = "watchdog"`: "health.watchdog"} {
		if _, err := config.Parse([]byte("[health]\n" + text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
