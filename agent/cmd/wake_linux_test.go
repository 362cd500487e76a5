package cmd_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
)

// wakeLimit is by when a magic packet must have done its work.
const wakeLimit = 50 * time.Millisecond

// Programs of other authors wake a viewer from standby, in each way that they know: its display is on, it plays, and its server hears who it was.
func TestWakeups(t *testing.T) {
	needProgram(t, "wakeonlan", "wakeonlan")
	needProgram(t, "etherwake", "etherwake")
	p := &pair{lab: newLab(t)}
	p.screen = p.host("d")
	s := newSite(t)
	p.main = serving{host: p.host("a"), hosts: "1", args: []string{"run", "--state", s.state, "--media", s.media, "--site", "e2e"}}
	p.main.start(t)
	p.main.process.await("The programme is up to date")
	lamp := filepath.Join(t.TempDir(), "on")
	display := fmt.Sprintf("[display]\nmethod = \"command\"\non = %s\noff = %s\nstatus = %s",
		strconv.Quote("touch "+lamp), strconv.Quote("rm -f "+lamp), strconv.Quote("test -e "+lamp))
	// Within a second after a wake others for the same address are the same one; these are addresses of its own, too.
	for i := range 2 {
		command(t, "ip", "-n", p.screen.name, "link", "add", fmt.Sprint("extra", i), "address", fmt.Sprintf("02:aa:00:00:00:0%d", i), "type", "veth", "peer", "name", fmt.Sprint("other", i))
	}
	p.viewer = start(t, p.screen.prefix(), "vitrine", "run", "--config", settings(t, display), "--state", t.TempDir(), "--name", "screen", "--token-file", s.token(t))
	awake := func(a agent.Status) bool {
		return connected(a) && playing(a) && a.Display.State == "on" && a.Standby == nil
	}
	p.screen.await("awake", awake)

	sender := p.host("b")
	for n, argv := range [][]string{
		{"wakeonlan", "-i", "10.77.0.255", p.mac()},
		{"wakeonlan", "-i", "10.77.0.255", "-p", "7", "02:aa:00:00:00:00"},
		{"etherwake", "-i", "eth0", "-b", "02:aa:00:00:00:01"},
	} {
		if text, ok := s.order(t, "standby"); !ok {
			t.Fatal(text)
		}
		p.screen.await("on standby", func(a agent.Status) bool { return a.Display.State == "off" && a.Standby != nil && len(a.Playing) == 0 })
		command(t, append(sender.prefix(), argv...)...)
		sent := time.Now() // a moment too late: the program has ended
		woken := p.viewer.awaitTimes("Woken by a magic packet", n+1)
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(woken["time"]))
		if took := at.Sub(sent); err != nil || took > wakeLimit {
			t.Errorf("%v: woken %v after the sender's end, %v", argv, took, err)
		} else {
			t.Logf("%v: woken %v after the sender's end, by %v", argv[0], took, woken["via"])
		}
		p.screen.await("awake again", awake)
		event := p.main.process.awaitTimes("A viewer says: woken by a magic packet from ", n+1)
		if text := fmt.Sprint(event["msg"]); !strings.HasSuffix(text, "10.77.0.2") && !strings.Contains(text, "10.77.0.2:") && !strings.Contains(text, sender.mac()) {
			t.Errorf("%v: the server hears %q, and not that it was %s or 10.77.0.2", argv, text, sender.mac())
		}
	}
}

// mac is the hardware address of the host's cable.
func (h host) mac() string {
	h.t.Helper()
	return strings.TrimSpace(command(h.t, append(h.prefix(), "cat", "/sys/class/net/eth0/address")...))
}

// Viewers that sleep are woken by name: by a technician's machine that has seen them, and by the server, also behind a router, where another viewer
// that is awake sends the packets.
func TestWakeByName(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	main := serving{host: l.host("a"), hosts: "1", args: []string{"run", "--state", s.state, "--media", s.media, "--site", "e2e"}}
	main.start(t)
	main.process.await("The programme is up to date")
	view := func(letter, name string, more ...string) *process {
		t.Helper()
		h := l.host(letter)
		args := append([]string{"run", "--config", settings(t), "--state", t.TempDir(), "--name", name, "--token-file", s.token(t)}, more...)
		p := start(t, h.prefix(), "vitrine", args...)
		h.await("connected", func(a agent.Status) bool { return connected(a) && playing(a) })
		return p
	}
	near := view("d", "near")
	helper := view("e", "helper", "--server", "10.77.0.1")
	far := view("f", "far", "--server", "10.77.0.1")
	_ = helper // it runs to the end

	// A technician sees them while they are awake. The home folder has what was seen.
	technician := append(l.host("b").prefix(), "env", "XDG_CACHE_HOME="+t.TempDir(), program("vitrine"))
	if out := command(t, append(technician, "discover", "--viewers", "--timeout", "2s")...); !strings.Contains(out, "near") {
		t.Errorf("found:\n%s", out)
	}
	near.kill()
	far.kill()

	heard := l.host("d").peer(program("vitrine"), "wake", "--listen", "--json")
	out := ""
	awaitTrue(t, "packet for near", func() bool {
		out = command(t, append(technician, "wake", "near", "--state", t.TempDir())...)
		return strings.Contains(out, "Sent a magic packet for "+l.host("d").mac()+" to UDP 10.77.0.255:9")
	})
	var e struct{ MAC string }
	again := append(technician, "wake", "near", "--state", t.TempDir())
	if err := json.Unmarshal([]byte(hear(t, heard, again)), &e); err != nil || e.MAC != l.host("d").mac() {
		t.Errorf("heard %+v, %v", e, err)
	}
	nobody := exec.Command(technician[0], append(technician[1:], "wake", "nobody", "--state", t.TempDir())...)
	if out, err := nobody.CombinedOutput(); err == nil || !strings.Contains(string(out), "vitrine-server viewers wake nobody") {
		t.Errorf("a viewer that nobody has seen: %v, %s", err, out)
	}

	// The server itself: a viewer on its own network, and one behind the router.
	awaitTrue(t, "end of both sessions", func() bool { return main.countOf("A viewer is offline") == 2 })
	wake := func(viewer string) string {
		t.Helper()
		return command(t, program("vitrine-server"), "viewers", "wake", viewer, "--state", s.state)
	}
	if out := wake("near"); !strings.Contains(out, "near: magic packets were sent to UDP 10.77.0.255:9") || strings.Contains(out, "by viewer") {
		t.Errorf("near: %s", out)
	}
	heard = l.host("f").peer(program("vitrine"), "wake", "--listen", "--json")
	awaitTrue(t, "packet for far", func() bool { return strings.Contains(wake("far"), "and by viewer helper to UDP 10.78.0.255:9") })
	again = []string{program("vitrine-server"), "viewers", "wake", "far", "--state", s.state}
	if err := json.Unmarshal([]byte(hear(t, heard, again)), &e); err != nil || e.MAC != l.host("f").mac() {
		t.Errorf("heard %+v, %v", e, err)
	}
	if out := wake("helper"); !strings.Contains(out, "helper: done") {
		t.Errorf("one that is awake: %s", out)
	}
}

// hear waits for what a listener says of a packet, which is sent again until then: nobody knows since when it listens.
func hear(t *testing.T, listener peer, send []string) string {
	t.Helper()
	heard, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		again := time.NewTicker(time.Second)
		defer again.Stop()
		for {
			select {
			case <-heard:
				return
			case <-again.C:
				_ = exec.Command(send[0], send[1:]...).Run() // it shows in what is heard
			}
		}
	}()
	defer func() {
		close(heard)
		<-ended
	}()
	return awaitLine(t, listener, "")
}
