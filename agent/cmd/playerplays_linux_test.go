package cmd_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/content/release"
)

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
	t.Log(w.within("systemd-analyze; free -m"))
	w.isMadeToLast()
	if t.Failed() || testing.Short() {
		return
	}

	w.agentKilled()
	w.browserKilled()
	w.standby()
	w.agentHung()
	w.updates()
}

// isMadeToLast looks at what keeps a player going for years.
func (w *wall) isMadeToLast() {
	w.t.Helper()
	for _, look := range []struct{ what, command, want string }{
		{"units that have failed", "systemctl --failed --no-legend --plain", ""},
		{"the root, which can't be written to", "findmnt -no FSTYPE /; blkid -o value -s TYPE /dev/vda2", "overlay\nsquashfs"},
		{"the data on the rest of the card", "findmnt -no SOURCE,FSTYPE /var/lib/vitrine | xargs; [ $(blockdev --getsize64 /dev/vda4) -gt 2000000000 ] && echo large", "/dev/vda4 ext4\nlarge"},
		{"the identity apart from them", "findmnt -no SOURCE,FSTYPE /var/lib/vitrine-keep | xargs; cmp /var/lib/vitrine-keep/machine-id /var/lib/vitrine/machine-id && echo twice", "/dev/vda3 ext4\ntwice"},
		{"swap", "tail -n +2 /proc/swaps", ""},
		{"the journal in memory", "ls -d /var/log/journal /run/log/journal 2>/dev/null; journalctl -b -u systemd-journald -o cat | grep -o 'max 16.0M' | sort -u", "/run/log/journal\nmax 16.0M"},
		{"the hardware watchdog", "cat /sys/class/watchdog/watchdog0/state; systemctl show -P Result vitrine-watchdog", "active\nsuccess"},
	} {
		if got := strings.TrimSpace(w.within(look.command)); got != look.want {
			w.t.Errorf("%s: %q, want %q", look.what, got, look.want)
		}
	}
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
	w.stops("without a browser")
	w.plays()
}

// standby switches the screen off itself, which cage doesn't do for anybody: it isn't there then. QEMU says in words that its screen is off.
func (w *wall) standby() {
	w.t.Log("The server asks for standby, and a magic packet of another host ends it.")
	w.site.order(w.t, "standby")
	w.listed("standby, display off")
	w.stops("off")
	out := w.within("cat /sys/class/drm/card*-*/dpms; pidof cage chromium; vitrine status")
	if !strings.HasPrefix(out, "Off\n") || !strings.Contains(out, "Display   off, by drm\n") || !strings.Contains(out, "Browser   not running while the display is off") || strings.Contains(out, "FAULT") {
		w.t.Errorf("on standby the player says\n%s", out)
	}
	command(w.t, append(w.lab.host("b").prefix(), program("vitrine"), "wake", playerMAC)...)
	w.plays()
}

// agentHung is found by a watchdog: the hardware's, by which the machine starts again, or systemd's, which is as patient. Until then the last picture stays.
func (w *wall) agentHung() {
	w.t.Log("The agent hangs.")
	const starts = "cat /proc/sys/kernel/random/boot_id; systemctl show -P NRestarts vitrine"
	before := strings.Fields(w.within(starts))
	w.within("kill -STOP " + w.agent(""))
	w.stops("starting again")
	w.forget()
	w.plays()
	switch after := strings.Fields(w.within(starts)); {
	case after[0] != before[0]:
		w.t.Log("The machine has started again.")
	case after[1] != before[1]:
		w.t.Log("The agent has started again.")
	default:
		w.t.Error("nobody has ended the agent that hung")
	}
}

// updates has a release tried that ends at once, and one that is well.
func (w *wall) updates() {
	t := w.t
	t.Log("A bad release goes, a good one stays.")
	vendor, made := w.vendor(), time.Now().Truncate(time.Second)
	dated := func(r *release.Release) { r.Made = made }
	bad, _ := vendor.sign(t, "99.0", []byte("#!/bin/sh\nexit 1\n"), dated)
	w.site.publish(t, bad)
	w.awaitServer("1 failed", "update", "status")
	w.plays()

	made = made.Add(time.Second)
	good, _ := vendor.sign(t, "99.1", viewerOf(t, "99.1", made), dated)
	w.site.publish(t, good)
	w.awaitServer("1 kept", "update", "status")
	w.plays()
	w.listed("99.1")
}

// agent waits until there is an agent other than that one, and gives the number of its process.
func (w *wall) agent(other string) string {
	w.t.Helper()
	return strings.TrimSpace(w.within(`until pid=$(systemctl show -P MainPID vitrine) && [ "$pid" != 0 ] && [ "$pid" != "` + other + `" ]; do sleep 1; done; echo $pid`))
}
