package agent

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"vitrine/agent/schedule"
)

// now has the settings as they are at present. Those that take effect at once are read from here, all others from config.
func (a *Agent) now() *Config { return a.settingsNow.Load() }

// A part of the settings that counts from the next start on. One of several settings gives those that do.
type part struct {
	name string
	of   func(Config) any
}

// atNextStart are those parts: what they set up is made once, and made anew it would interrupt something.
var atNextStart = []part{
	{"state", func(c Config) any { return c.State }},
	{"page", func(c Config) any { return c.Page }},
	{"timezone", func(c Config) any { return fmt.Sprint(c.Zone) }},
	{"discovery", func(c Config) any { return c.Discovery }},
	{"session", func(c Config) any { return c.Session }},
	{"network", func(c Config) any { return c.Network }},
	{"sticks", func(c Config) any { return c.Sticks }},
	{"content", func(c Config) any { c.Content.Windows = nil; return c.Content }},
	{"screen", func(c Config) any { return c.Screen }},
	{"kiosk", func(c Config) any { return c.Kiosk }},
	{"health", func(c Config) any { return c.Health }},
	{"clock", func(c Config) any { c.Clock.Servers = nil; return c.Clock }},
	{"wake", func(c Config) any { return c.Wake }},
	{"display", func(c Config) any { return c.Display }},
	{"standby", func(c Config) any { return c.Standby }},
	{"power", func(c Config) any { return c.Reboot }},
	{"update", func(c Config) any { return c.Update }},
}

// Reconfigure takes settings that have changed while the viewer runs: what can take effect at once does, without a word to the screen, and
// what can't is said in the log and in the status. With an error nothing changes, and it is a fault.
func (a *Agent) Reconfigure(c Config, err error) {
	a.fault(faultSettings, err)
	if err != nil {
		a.log.Error("The settings can't be used; the viewer goes on with those that it has", "err", err)
		return
	}
	next := *a.now()
	next.Name, next.Token, next.Servers, next.Location, next.Labels, next.Operating = c.Name, c.Token, c.Servers, c.Location, c.Labels, c.Operating
	if next.Name == "" {
		next.Name = defaultName(a.device.Hostname)
	}
	next.Content.Windows, next.Clock.Servers = c.Content.Windows, c.Clock.Servers
	before := a.settingsNow.Swap(&next)
	var later []string
	for _, p := range atNextStart {
		if !reflect.DeepEqual(p.of(a.config), p.of(c)) {
			later = append(later, p.name)
		}
	}
	a.mu.Lock()
	told := slices.Equal(a.later, later)
	a.later = later
	a.mu.Unlock()
	if !reflect.DeepEqual(*before, next) {
		a.log.Info("The settings have changed, and count from now on")
		a.apply()
	}
	if len(later) > 0 && !told {
		a.log.Warn("Some settings count only from the next start on: `vitrine service restart`", "settings", strings.Join(later, " "))
	}
	a.session.Report()
}

// Lacking notes why the viewer starts without some of its settings; nil if it has them all.
func (a *Agent) Lacking(damage error) {
	a.fault(faultSettings, damage)
	if damage != nil {
		a.log.Error("The viewer starts without some of its settings", "err", damage)
	}
}

// apply tells the parts that look at their settings only when there is news.
func (a *Agent) apply() {
	if a.session.Status().Up() {
		a.followTime()
	} else {
		a.follower.SetServers("", a.now().Clock.Servers...)
	}
	a.player.SetHours(schedule.Hours{Week: a.now().Operating, Zone: a.config.Zone})
	a.decide()
	a.session.Kick()
	a.library.Refresh()
	a.showState()
}
