package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// A display that is switched by commands of the settings: standby switches it off, a wake on; and whatever becomes of the agent, it comes on again.
func TestStandby(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	dir, state := t.TempDir(), t.TempDir()
	lamp := filepath.Join(dir, "on")
	config := filepath.Join(dir, "vitrine.toml")
	text := fmt.Sprintf("[display]\nmethod = \"command\"\non = %s\noff = %s\nstatus = %s\n",
		strconv.Quote("touch "+lamp), strconv.Quote("rm -f "+lamp), strconv.Quote("test -e "+lamp))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lit := func() bool {
		_, err := os.Stat(lamp)
		return err == nil
	}
	displays := func(want string) func(agent.Status) bool {
		return func(s agent.Status) bool {
			return s.Display == protocol.DisplayStatus{State: want, Method: "command"} && lit() == (want == "on") && connected(s)
		}
	}
	viewer, page := view(t, state, s.token(t), "--server", addr, "--config", config)
	awaitStatus(t, page, "playing on a display that is on", func(s agent.Status) bool { return displays("on")(s) && playing(s) })

	if text, ok := s.order(t, "standby"); !ok || !strings.Contains(text, "screen: done") {
		t.Errorf("standby: %s", text)
	}
	off := awaitStatus(t, page, "on standby", displays("off"))
	if off.Standby == nil || !off.Standby.Active || off.Standby.Why != protocol.StandbyAsked || len(off.Playing) > 0 || !off.Schedule.Standby {
		t.Errorf("on standby: %+v, playing %v", off.Standby, off.Playing)
	}
	out := mustRun(t, "vitrine", "status", "--page", page)
	for _, want := range []string{"Standby   yes: the server wants it, since ", "Display   off, by command"} {
		if !strings.Contains(out, want) {
			t.Errorf("the status doesn't say %q:\n%s", want, out)
		}
	}
	awaitTrue(t, "standby in the server's list", func() bool {
		return strings.Contains(mustRun(t, "vitrine-server", "viewers", "list", "--state", s.state), "standby, display off")
	})

	if text, ok := s.order(t, "wake"); !ok {
		t.Errorf("wake: %s", text)
	}
	awaitStatus(t, page, "awake", func(s agent.Status) bool { return displays("on")(s) && playing(s) && s.Standby == nil })

	// Killed while it is off; then ended while it is off.
	s.order(t, "standby")
	awaitStatus(t, page, "on standby", displays("off"))
	viewer.kill()
	if lit() {
		t.Error("a killed agent has switched the display on")
	}
	viewer, page = view(t, state, "", "--server", addr, "--config", config)
	awaitStatus(t, page, "awake after a crash", displays("on"))
	s.order(t, "standby")
	awaitStatus(t, page, "on standby", displays("off"))
	if err := viewer.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-viewer.ended
	if !lit() {
		t.Error("an agent that ended has left the display off")
	}
}
