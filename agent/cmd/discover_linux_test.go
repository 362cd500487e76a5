package cmd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// awaitPort waits until a program on the host has a UDP port.
func (h host) awaitPort(port int) {
	h.t.Helper()
	want := fmt.Sprintf(":%04X ", port)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-poll.C {
		if strings.Contains(command(h.t, append(h.prefix(), "cat", "/proc/net/udp")...), want) {
			return
		}
	}
	h.t.Fatalf("nobody has UDP port %d", port)
}

// A network engineer's view: Debian's wsdd, which plays a Windows computer, and our server, each by what it is asked for.
func TestDiscoverAnyDevice(t *testing.T) {
	needProgram(t, "wsdd", "wsdd")
	l := newLab(t)
	hosts := []host{l.host("a"), l.host("b")}
	desk := func(args ...string) string {
		out, _ := exec.Command("ip", append(append(hosts[1].prefix()[1:], program("vitrine"), "discover"), args...)...).Output()
		return string(out)
	}
	watch := hosts[1].peer(program("vitrine"), "discover", "--watch", "--json")
	hosts[1].awaitPort(3702)
	discard(hosts[0].peer("wsdd", "--interface", "eth0", "--hostname", "printer"))
	s := newSite(t)
	server := start(t, hosts[0].prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("Serving viewers")

	deadline := time.Now().Add(patience)
	for list := ""; !strings.Contains(list, "Computer"); list = desk("--all", "--timeout", "1s") {
		if time.Now().After(deadline) {
			t.Fatalf("wsdd is not found:\n%s", list)
		}
	}
	if list := desk("--type", "{http://schemas.xmlsoap.org/ws/2006/02/devprof}Device", "--timeout", "1s"); !strings.Contains(list, "Computer") || strings.Contains(list, "Server") {
		t.Errorf("devices:\n%s", list)
	}
	if list := desk("--timeout", "1s"); !strings.Contains(list, "e2e") || strings.Contains(list, "Computer") {
		t.Errorf("servers:\n%s", list)
	}
	if list := desk("--scope", "vitrine://other", "--timeout", "500ms"); strings.Contains(list, "e2e") {
		t.Errorf("servers of another site:\n%s", list)
	}
	var heard struct {
		Bye  bool
		Site string
	}
	line := awaitLine(t, watch, `"epr":`)
	if err := json.Unmarshal([]byte(line), &heard); err != nil || heard.Bye || heard.Site != "e2e" {
		t.Errorf("heard %s: %v", line, err)
	}
	if err := server.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, watch, `"bye":true`, `"site":"e2e"`)
}
