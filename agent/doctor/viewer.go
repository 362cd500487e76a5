package doctor

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/child"
)

// agent is whether the viewer runs, and what it says is wrong.
func agent(_ context.Context, p *Patient) []Finding {
	r := p.Reported
	if r == nil {
		return fail("viewer", "no viewer answers on "+p.Page, "start it with `vitrine service start` or `vitrine run`; `journalctl -u vitrine` says why it ended")
	}
	list := ok("viewer", "%s, version %s, since %s", r.Name, r.Version, r.Started.Local().Format(time.DateTime))
	for _, f := range r.Faults {
		list = append(list, fail("fault "+f.Code, f.Message, "")...)
	}
	if r.Session.State == protocol.StateDegraded {
		list = append(list, warn("session", "connected to "+r.Session.Server+", which is not the server that it should be: "+r.Session.Error, "see to the main server; the viewer goes back by itself")...)
	}
	return list
}

// update is how the viewer is with the release of itself that its site wants.
func update(_ context.Context, p *Patient) []Finding {
	const name = "update"
	if p.Reported == nil {
		return ok(name, "whether one is wanted only a viewer that runs can say")
	}
	u := p.Reported.Update
	if u == nil || u.State == "" {
		return ok(name, "no update is wanted; version %s runs", p.Reported.Version)
	}
	release := cmp.Or(u.Version, u.Release.Short())
	switch {
	case u.State == protocol.UpdateFailed:
		return fail(name, fmt.Sprintf("release %s was tried and isn't kept: %s; version %s runs", release, u.Error, p.Reported.Version), "tell whoever makes the releases; another one is tried as soon as it is published")
	case u.State == protocol.UpdateRefused:
		return warn(name, fmt.Sprintf("release %s isn't tried: %s", release, u.Error), "publish one that this viewer can take, or see to [update] in its settings")
	case u.Error != "":
		return warn(name, fmt.Sprintf("release %s isn't here yet: %s", release, u.Error), "see to that: the viewer tries again by itself")
	}
	return ok(name, "release %s: %s; version %s runs", release, u.State, p.Reported.Version)
}

func clock(_ context.Context, p *Patient) []Finding {
	if p.Reported == nil {
		if now := time.Now(); now.Before(p.Build) {
			return fail("clock", "the system clock says "+now.Format(time.DateTime)+", which is before this program was made", "set it, and see to the battery of the clock; a viewer that runs gets the time from its server")
		}
		return ok("clock", "the system clock says %s", time.Now().Format(time.DateTime+" MST"))
	}
	c := p.Reported.Clock
	if c.System != "" && c.System != "kept" && !strings.HasPrefix(c.System, "left to ") {
		return warn("clock", "the system clock can't be kept: "+c.System, "install the service with --set-clock, or set clock.discipline to \"process\"")
	}
	switch c.Trust {
	case "ntp":
		return ok("clock", "the time is known to within %.1f ms, from %s", c.Error*1e3, c.Source)
	case "server":
		return warn("clock", "the time is known to a second only, from TLS answers of "+c.Source, "let UDP port 123 through to the server, or name a time server in clock.servers: screens are in step only by NTP")
	case "rtc":
		return warn("clock", "nothing has confirmed the machine's own clock yet", "see to the session with the server, or name a time server in clock.servers")
	}
	return fail("clock", "the time isn't known, so that only the default presentation is on", "see to the session with the server, or name a time server in clock.servers; a device that is often without a network needs a clock with a battery")
}

// certificate is whether the viewer belongs to a site, and until when.
func certificate(_ context.Context, p *Patient) []Finding {
	const name = "certificate"
	left := p.Expires.Sub(p.Now())
	switch {
	case p.CertificateErr != nil:
		return warn(name, "it can't be looked at: "+p.CertificateErr.Error(), "run this again with sudo")
	case !p.Enrolled && p.Reported != nil && p.Reported.Site != "":
		return warn(name, fmt.Sprintf("the viewer that runs belongs to the site %q, and keeps its state elsewhere than in %s", p.Reported.Site, p.Folder), "give its folder with --state")
	case !p.Enrolled:
		return warn(name, "this viewer belongs to no site yet", "give it a join token (`vitrine-server token create`), or approve its code (`vitrine-server viewers approve CODE`)")
	case left <= 0:
		return fail(name, "it expired on "+p.Expires.Format(time.DateOnly), "see to the session: the server renews it for 90 days after that; later the viewer shows a code and must be approved")
	case left < 5*24*time.Hour:
		return warn(name, fmt.Sprintf("it expires in %d days, and should have been renewed by now", int(left/(24*time.Hour))), "see to the session: the server renews it")
	}
	return ok(name, "it is good until %s", p.Expires.Local().Format(time.DateOnly))
}

// browser is whether somebody sees the page.
func browser(_ context.Context, p *Patient) []Finding {
	if p.Reported == nil {
		for _, name := range []string{"cog", "chromium", "chromium-browser", "google-chrome", "firefox", "firefox-esr", "msedge"} {
			if path := child.Find(name); path != "" {
				return ok("browser", "%s is installed; whether it shows the page only a viewer that runs can say", path)
			}
		}
		return warn("browser", "no browser that is known is installed", "install one, such as chromium or cog")
	}
	dark := 0
	for _, zone := range p.Reported.Playing {
		if !zone.Shown {
			dark++
		}
	}
	switch b := p.Reported.Browser; {
	case b != nil && b.Paused:
		return ok("browser", "none runs while the display is off; one is started when it goes on")
	case p.Pages == 0 || p.Pages < 0 && dark > 0 && dark == len(p.Reported.Playing):
		return fail("browser", "no browser shows the page", toShow(p))
	case dark > 0:
		return warn("browser", fmt.Sprintf("a browser shows the page, but not what should be on in %d of %d zones", dark, len(p.Reported.Playing)), "see what the viewer says of items that can't be shown: `vitrine status`, `vitrine-server viewers events`")
	case len(p.Reported.Playing) == 0 && p.Reported.Standby != nil:
		return ok("browser", "the page is dark, since the viewer is on standby (%s); `vitrine status` says for how long", p.Reported.Standby.Why)
	case len(p.Reported.Playing) == 0:
		return ok("browser", "nothing should be on at present")
	}
	return ok("browser", "the page shows what it should")
}

// toShow is what brings a page to the screen that no browser shows.
func toShow(p *Patient) string {
	do := "start a browser on http://" + p.Page + "/, full screen, for example by `chromium --kiosk`"
	switch {
	case p.Reported.Browser != nil:
		return "see what the log says of the browser that the viewer runs; on Linux without a desktop it needs cage, seatd and xwayland as well"
	case runtime.GOOS == "linux":
		return do + "; without a desktop install cage, seatd, xwayland and chromium, and then `vitrine service install --screen` and `vitrine service restart`"
	}
	return do
}

// display is whether the graphics card sees a screen.
func display(_ context.Context, p *Patient) []Finding {
	const name = "display"
	ports := p.glob("sys/class/drm/card*-*/status")
	if len(ports) == 0 {
		return warn(name, "no graphics card tells whether a screen is connected", "look at the screen; if this machine has a graphics card, its driver is missing (on a Raspberry Pi `dtoverlay=vc4-kms-v3d` in config.txt)")
	}
	var connected, off []string
	for _, status := range ports {
		if p.read(status) != "connected" {
			continue
		}
		dir := path.Dir(status)
		_, port, _ := strings.Cut(path.Base(dir), "-")
		text := port
		if mode, _, _ := strings.Cut(p.read(path.Join(dir, "modes")), "\n"); mode != "" {
			text += " (" + mode + ")"
		}
		connected = append(connected, text)
		if dpms := p.read(path.Join(dir, "dpms")); p.read(path.Join(dir, "enabled")) == "disabled" || dpms != "" && dpms != "On" {
			off = append(off, port)
		}
	}
	switch {
	case len(connected) == 0:
		return fail(name, "no screen is connected", "see to its cable and to its power; some screens that are switched off look like none")
	case len(off) > 0 && (p.Reported == nil || p.Reported.Schedule == nil || !p.Reported.Schedule.Standby):
		return warn(name, "nothing is sent to "+strings.Join(off, ", "), "see whether a desktop or a browser runs on this machine, and whether a screen saver has switched the screen off")
	}
	return ok(name, "%s", strings.Join(connected, ", "))
}
