package cmd_test

import (
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// What only a kernel can show of a device's parts: a television on HDMI-CEC, of which the kernel's vivid is the cable and v4l-utils' cec-follower the set;
// a graphics card that is switched off; sleep, and the clock that ends it; the hardware watchdog.
func TestVMDevice(t *testing.T) {
	t.Parallel()
	needVM(t)
	needProgram(t, "cec-follower", "v4l-utils")
	needProgram(t, "modetest", "libdrm-tests")
	// Beside each other: the one waits most of the time.
	t.Run("frozen", func(t *testing.T) {
		t.Parallel()
		freeze(t)
	})
	t.Run("switched", func(t *testing.T) {
		t.Parallel()
		switchDevices(t)
	})
}

// watched is a machine with a hardware watchdog, for a viewer that feeds it, and with what goes before that viewer's options.
func watched(t *testing.T, s site, addr string, options ...string) (g *guest, view string) {
	t.Helper()
	disk := diskImage(t, 256<<20, "mkfs.ext4", "-q", "-F")
	config := settings(t, "[health]", `watchdog = "/dev/watchdog"`)
	g = boot(t, nil, append([]string{"--disk", disk, "--add", s.token(t), "--add", config}, options...)...)
	g.dog("inactive")
	_, port, _ := strings.Cut(addr, ":")
	return g, "--config /host/vitrine.toml --token-file /host/token --name screen --server 10.0.2.2:" + port
}

// dog waits until the kernel says that of the hardware watchdog.
func (g *guest) dog(state string) {
	g.t.Helper()
	g.run("until grep -qx " + state + " /sys/class/watchdog/watchdog0/state; do usleep 100000; done")
}

// A viewer that hangs is noticed by the hardware: the machine starts again, which here is its end, within the minute that the watchdog has.
func freeze(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	g, view := watched(t, s, addr, "--", "-device", "i6300esb")
	g.view("/dev/vda", view)
	g.awaitStatus("playing", playing)
	g.dog("active")
	g.run("killall -STOP vitrine")
	frozen := time.Now()
	select {
	case <-g.ended:
	case <-time.After(guestPatience):
		t.Fatal("the machine of a viewer that hangs lives on")
	}
	if took := time.Since(frozen); took < 20*time.Second {
		t.Errorf("the machine has started again %v after the viewer hung: that wasn't the watchdog", took)
	}
}

// The same machine lives on with a viewer that is well, and with one that has ended.
func switchDevices(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	_, port, _ := strings.Cut(addr, ":")
	m, qmp := newMonitor(t)
	drm, painted := filepath.Join(t.TempDir(), "drm.toml"), filepath.Join(t.TempDir(), "painted.toml")
	for path, text := range map[string]string{drm: "", painted: "[kiosk]\ncommand = [\"sh\", \"-c\", \"sleep 100000 | modetest -M virtio_gpu -r\"]\n"} {
		if err := os.WriteFile(path, []byte("[display]\nmethod = \"drm\"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, view := watched(t, s, addr, append([]string{"--add", tool(t, "cec-ctl"), "--add", tool(t, "cec-follower"), "--add", drm,
		"--add", painted, "--add", tool(t, "modetest"), "--add", onDevice(t, "power"), "--", "-device", "i6300esb", "-device", "virtio-vga"}, qmp...)...)
	g.run("modprobe -a vivid virtio_gpu")
	g.run("cec-ctl -d0 --tv && (cec-follower -d0 -m >/tmp/television 2>&1 &)")
	g.view("/dev/vda", view)
	displays := func(state, method string) func(agent.Status) bool {
		return func(s agent.Status) bool {
			return s.Display == protocol.DisplayStatus{State: state, Method: method} && connected(s)
		}
	}
	g.awaitStatus("playing on a television", func(s agent.Status) bool { return displays("on", "cec")(s) && playing(s) })
	s.order(t, "standby")
	g.awaitStatus("on standby", displays("off", "cec"))
	s.order(t, "wake")
	g.awaitStatus("awake", displays("on", "cec"))
	television := g.run("cat /tmp/television")
	for _, want := range []string{"STANDBY", "IMAGE_VIEW_ON", "ACTIVE_SOURCE", "GIVE_DEVICE_POWER_STATUS"} {
		if !strings.Contains(television, want) {
			t.Errorf("the television wasn't told %s:\n%s", want, television)
		}
	}

	g.mustNotSay("not heard") // of magic packets: what hears them must fit into this kernel
	g.end()
	g.dog("inactive")
	g.run(`printf '\000\310\000\377' >/tmp/pixel; while [ $(stat -c %s /tmp/pixel) -lt 4096000 ]; do cat /tmp/pixel /tmp/pixel >/tmp/more; mv /tmp/more /tmp/pixel; done; cat /tmp/pixel >/dev/fb0; true`)
	m.await("green", guestPatience, coloured(green))
	g.run("vitrine run --state /state/vitrine --log-format json --log debug --config /host/drm.toml --server 10.0.2.2:" + port + " 2>/dev/ttyS1 &")
	g.awaitStatus("showing on a graphics card", displays("on", "drm"))
	m.await("green", guestPatience, coloured(green))
	s.order(t, "standby")
	g.awaitStatus("on standby", displays("off", "drm"))
	if got := middle(m.picture()); near(got, green) {
		t.Error("the graphics card shows what it showed before")
	}
	s.order(t, "wake")
	g.awaitStatus("awake", displays("on", "drm"))
	m.await("green", guestPatience, coloured(green))

	g.end()
	g.run("vitrine run --state /state/vitrine --log-format json --log debug --config /host/painted.toml --server 10.0.2.2:" + port + " 2>/dev/ttyS1 &")
	freeTheCard(t, g, s, m)

	// Last of all: QEMU's graphics card doesn't wake.
	out := g.run("power.test -test.v -test.run OnDevice")
	if !strings.Contains(out, "--- PASS: TestSleepOnDevice") {
		t.Error(out)
	}
}

// freeTheCard has standby switch off a graphics card that somebody draws on, as cage does for the browser: modetest, with a test card. It has to go first, and comes back.
func freeTheCard(t *testing.T, g *guest, s site, m *monitor) {
	t.Helper()
	bars := coloured(color.RGBA{0, 192, 0, 255})
	painted := func(state string, runs bool) func(agent.Status) bool {
		return func(s agent.Status) bool {
			b := s.Browser
			return s.Display == protocol.DisplayStatus{State: state, Method: "drm"} && connected(s) && b != nil && b.Running == runs && b.Paused != runs && len(s.Faults) == 0
		}
	}
	g.awaitStatus("drawing on a graphics card", painted("on", true))
	m.await("a test card", guestPatience, bars)
	for range 2 {
		s.order(t, "standby")
		g.awaitStatus("on standby", painted("off", false))
		if out := g.run("pidof modetest; cat /sys/class/drm/card*-*/dpms"); out != "Off\n" {
			t.Errorf("on standby there are, of programs that draw and of outputs: %q", out)
		}
		if bars(m.picture()) {
			t.Error("the graphics card shows what it showed before")
		}
		for _, want := range []string{"Display   off, by drm\n", "Browser   not running while the display is off;"} {
			if out := g.run("vitrine status"); !strings.Contains(out, want) {
				t.Errorf("the status doesn't say %q:\n%s", want, out)
			}
		}
		s.order(t, "wake")
		g.awaitStatus("awake", painted("on", true))
		m.await("a test card", guestPatience, bars)
	}
}

// end ends the guest's viewer as a service is ended.
func (g *guest) end() {
	g.t.Helper()
	g.run("killall vitrine; while pidof vitrine; do usleep 100000; done")
}

// tool is the path of a program.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// onDevice builds the tests of a package of platform that want a device's kernel to themselves.
func onDevice(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".test")
	command(t, "env", "CGO_ENABLED=0", "go", "test", "-c", "-tags", "ondevice", "-ldflags", "-s -w", "-o", path, "../../platform/"+name)
	return path
}
