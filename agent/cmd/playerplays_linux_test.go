package cmd_test

import (
	"fmt"
	"image"
	"image/color"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/content/release"
)

var black = coloured(color.RGBA{0, 0, 0, 255})

// A player as it comes from a factory, whose clock has stopped in 1970: it is switched on, gets a stick, joins the site, knows the time and plays. Then it is harmed in each
// way, and comes back by itself.
func TestPlayerPlays(t *testing.T) {
	w := newWall(t)
	w.serve()
	w.on(append(stickOf("stick", w.stick()), "-rtc", "base=1970-01-01T00:00:00")...)
	w.shows("the page that waits", waits)
	w.attach("stick")
	w.plays()
	w.shows("red", coloured(red))
	w.shows("green", coloured(green))
	w.listed("screen", "online")
	w.detach("stick")
	w.knowsTheTime()
	t.Log(w.within("systemd-analyze; free -m; systemctl --failed --no-legend"))
	if t.Failed() || testing.Short() {
		return
	}

	w.agentKilled()
	w.browserKilled()
	w.standby()
	w.agentHung()
	w.updates()
}

// knowsTheTime waits until the player's clock is right: it is measured a moment after the session is up.
func (w *wall) knowsTheTime() {
	w.t.Helper()
	awaitTrue(w.t, "right time on the player", func() bool {
		seconds, err := strconv.ParseInt(strings.TrimSpace(w.within("date +%s")), 10, 64)
		return err == nil && time.Since(time.Unix(seconds, 0)).Abs() < 5*time.Second
	})
}

func (w *wall) agentKilled() {
	w.t.Log("The agent is killed.")
	before := w.agent("")
	w.within("kill -9 " + before)
	w.agent(before)
	w.plays()
}

func (w *wall) browserKilled() {
	w.t.Log("The browser is killed.")
	w.within("kill -9 $(grep -lx chromium /proc/[0-9]*/comm | cut -d/ -f3)")
	w.shows("without a browser", func(picture image.Image) bool { return !coloured(red, green)(picture) })
	w.plays()
}

func (w *wall) standby() {
	w.t.Log("The server asks for standby, and a magic packet of another host ends it.")
	w.site.order(w.t, "standby")
	w.shows("dark", black)
	w.listed("standby")
	command(w.t, append(w.lab.host("b").prefix(), program("vitrine"), "wake", playerMAC)...)
	w.plays()
}

// agentHung is found by a watchdog: the hardware's, by which the machine starts again, or systemd's, which is as patient. Until then the last picture stays.
func (w *wall) agentHung() {
	w.t.Log("The agent hangs.")
	w.within("kill -STOP " + w.agent(""))
	w.shows("starting again", func(picture image.Image) bool { return !coloured(red, green)(picture) })
	w.forget()
	w.plays()
}

// updates has a release tried that ends at once, and one that is well. The key of the vendor is in the viewer's own file, as in an image with his key.
func (w *wall) updates() {
	t := w.t
	t.Log("A bad release goes, a good one stays.")
	vendor := newReleaser(t)
	w.within(`printf '%s\n' '[update]' 'keys = ["` + vendor.public + `"]' 'trial_seconds = 20' 'limit_seconds = 300' 'wait_minutes = 0' >>/etc/vitrine/vitrine.toml && systemctl restart vitrine`)
	w.plays()
	state := func(want string) {
		t.Helper()
		w.awaitServer(want, "update", "status")
	}
	made := time.Now().Truncate(time.Second)
	dated := func(r *release.Release) { r.Made = made }
	bad, _ := vendor.sign(t, "99.0", []byte("#!/bin/sh\nexit 1\n"), dated)
	w.site.publish(t, bad)
	state("1 failed")
	w.plays()

	path := filepath.Join(t.TempDir(), "vitrine")
	made = made.Add(time.Second)
	command(t, "env", "CGO_ENABLED=0", "go", "build", "-ldflags", fmt.Sprintf("-s -w -X main.version=99.1 -X main.built=%d", made.Unix()), "-o", path, "./vitrine")
	good, _ := vendor.sign(t, "99.1", read(t, path), dated)
	w.site.publish(t, good)
	state("1 kept")
	w.plays()
}

// agent waits until there is an agent other than that one, and gives the number of its process.
func (w *wall) agent(other string) string {
	w.t.Helper()
	return strings.TrimSpace(w.within(`until pid=$(systemctl show -P MainPID vitrine) && [ "$pid" != 0 ] && [ "$pid" != "` + other + `" ]; do sleep 1; done; echo $pid`))
}
