package vitrine

import (
	"testing"

	"vitrine/agent/config"
)

// A browser is started unasked only on a device: by a service that has a display.
func TestBrowserOf(t *testing.T) {
	for name, c := range map[string]struct {
		service bool
		display string
		option  string
		file    config.Kiosk
		want    string
	}{
		"a terminal on a desktop":            {false, "wayland-0", "", config.Kiosk{}, config.BrowserNone},
		"a service without a display":        {true, "", "", config.Kiosk{}, config.BrowserNone},
		"a service with one":                 {true, "wayland-1", "", config.Kiosk{}, config.BrowserAuto},
		"a service with one in the settings": {true, "", "", config.Kiosk{Environment: []string{"DISPLAY=:0"}}, config.BrowserAuto},
		"a service with a screen of its own": {true, "", "", config.Kiosk{}, config.BrowserAuto},
		"a service that is to have none":     {true, "wayland-1", "", config.Kiosk{Browser: config.BrowserNone}, config.BrowserNone},
		"settings":                           {false, "", "", config.Kiosk{Browser: "firefox"}, "firefox"},
		"a command":                          {true, "wayland-1", "", config.Kiosk{Command: []string{"x"}}, ""},
		"an option before the settings":      {false, "", "cog", config.Kiosk{Command: []string{"x"}}, "cog"},
	} {
		t.Setenv("NOTIFY_SOCKET", map[bool]string{true: "/run/notify"}[c.service])
		t.Setenv("WAYLAND_DISPLAY", c.display)
		t.Setenv("DISPLAY", "")
		t.Setenv("RUNTIME_DIRECTORY", "/run/vitrine")
		t.Setenv("XDG_RUNTIME_DIR", map[bool]string{true: "/run/vitrine"}[name == "a service with a screen of its own"])
		got := browserOf(c.option, c.file)
		if got.Browser != c.want || got.Browser != "" && len(got.Command) > 0 {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
	}
}
