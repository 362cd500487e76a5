package cmd_test

import (
	"math"
	"regexp"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// A machine without a battery for its clock boots in 1970. The viewer finds its server, believes the time that this gives over TLS, then what it
// measures, sets the system clock and keeps it, and plays. The power is cut, and there is no server at the next boot: it starts at the time saved, and
// plays at once. A USB stick is seen by it.
func TestVMBootsIn1970(t *testing.T) {
	t.Parallel()
	needVM(t)
	l := newLab(t)
	s := newSite(t)
	server := start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("The programme is up to date")
	// At first the server gives the time by TLS alone.
	command(t, append(l.host("a").prefix(), "nft", "add table inet mute; add chain inet mute in { type filter hook input priority 0; }; add rule inet mute in udp dport 123 drop")...)
	lan := host{t, l.name + "-lan1"}
	command(t, append(lan.prefix(), "ip", "tuntap", "add", "tap0", "mode", "tap")...)
	command(t, append(lan.prefix(), "ip", "link", "set", "tap0", "master", "br0", "up")...)
	config := settings(t, "[clock]", `discipline = "system"`)
	disk := diskImage(t, 256<<20, "mkfs.ext4", "-q", "-F")
	stick := diskImage(t, 64<<20, "busybox", "mkdosfs")
	plug := func() *guest {
		g := boot(t, lan.prefix(), "--tap", "tap0", "--clock", "1970-01-01T00:00:00", "--disk", disk, "--usb", stick, "--add", s.token(t), "--add", config)
		g.run("ip address add 10.77.0.9/24 dev eth0")
		g.run(awaitStick) // or the viewer would mount it
		if now := g.date(); now.Year() != 1970 {
			t.Fatalf("the guest booted at %v", now)
		}
		return g
	}

	g := plug()
	g.run("adjtimex -f 6553600") // somebody has left it at 100 ppm
	g.view("/dev/vda", "--config /host/vitrine.toml --token-file /host/token --name screen")
	if line := g.await("The trust in the clock has changed"); line["to"] != "server" {
		t.Errorf("without NTP the trust changed to %v", line["to"])
	}
	command(t, append(l.host("a").prefix(), "nft", "delete", "table", "inet", "mute")...)
	first := g.awaitStatus("playing, with the system clock kept", func(s agent.Status) bool {
		return whole(s) && s.Clock.Trust == "ntp" && s.Clock.System == "kept"
	})
	g.await("The system clock was set")
	checkSystemClock(t, g, first.Clock)
	g.run("vitrine content export --state /state/vitrine /media/stick && umount /media/stick")
	g.run("until [ -e /state/vitrine/clock.json ]; do usleep 100000; done; sync")
	g.kill()
	server.kill()

	g = plug()
	g.view("/dev/vda", "--config /host/vitrine.toml")
	again := g.awaitStatus("playing", playing)
	if again.Clock.Trust != "saved" || again.Content.Generation != first.Content.Generation || connected(again) {
		t.Errorf("after the power cut: %+v, %+v", again.Clock, again.Content)
	}
	g.await("The system clock was set")
	if now := g.date(); time.Since(now).Abs() > time.Hour {
		t.Errorf("after the power cut the system clock says %v", now)
	}
	g.await("Playing what is on disk")
	g.run("until [ -e /media/stick/vitrine/viewers/screen/status.json ]; do usleep 100000; done")
}

// awaitStick mounts the USB stick once the kernel has found it, which takes a moment.
const awaitStick = "until [ -b /dev/sda ]; do usleep 100000; done; mkdir -p /media/stick && mount -t vfat /dev/sda /media/stick"

// checkSystemClock looks at what has become of the guest's system clock, in the kernel and beside the server's.
func checkSystemClock(t *testing.T, g *guest, c protocol.ClockStatus) {
	t.Helper()
	if off := g.systemOffset("10.77.0.1"); off.Abs() > 200*time.Millisecond {
		t.Errorf("the system clock is off by %v", off)
	}
	if now := g.date(); time.Since(now).Abs() > 10*time.Second {
		t.Errorf("the guest says %v", now)
	}
	kernel := g.run("adjtimex")
	if status := number(t, kernel, `status: +(\d+)`); int(status)&unix.STA_UNSYNC != 0 {
		t.Errorf("the kernel takes its clock for a wrong one: status %v", status)
	}
	if ppm := number(t, kernel, `freq.adjust: +(-?\d+)`) / 65536; math.Abs(ppm-c.Frequency) > 50 {
		t.Errorf("the kernel's clock gains %.3f ppm; the viewer knows of %.3f", ppm, c.Frequency)
	}
}

// number finds a number in a text.
func number(t *testing.T, text, pattern string) float64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("there is no %s in\n%s", pattern, text)
	}
	n, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
