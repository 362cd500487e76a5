package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
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

// Operating hours of the settings: outside them the display is off, whatever the programme says, and a person is told why; a magic packet or new hours bring it back.
func TestOperatingHours(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	dir, state := t.TempDir(), t.TempDir()
	file := filepath.Join(dir, "vitrine.toml")
	save := func(hours string) {
		t.Helper()
		lamp := strconv.Quote(filepath.Join(dir, "on"))
		text := fmt.Sprintf("operating_hours = [%s]\ntimezone = \"UTC\"\n[display]\nmethod = \"command\"\non = %q\noff = %q\nstatus = %q\n", hours, "touch "+lamp, "rm -f "+lamp, "test -e "+lamp)
		if err := atomicfile.Write(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("")
	_, page := view(t, state, s.token(t), "--server", addr, "--config", file)
	lit := func(s agent.Status) bool {
		_, err := os.Stat(filepath.Join(dir, "on"))
		return s.Display.State == "on" && err == nil && playing(s)
	}
	awaitStatus(t, page, "playing without hours", func(s agent.Status) bool { return connected(s) && lit(s) })

	begin := time.Now().UTC().Add(8 * time.Hour)
	save(strconv.Quote(begin.Format("15:04") + "-" + begin.Add(time.Minute).Format("15:04")))
	off := awaitStatus(t, page, "on standby", func(s agent.Status) bool { return s.Display.State == "off" && len(s.Playing) == 0 })
	if on := off.Standby; on == nil || on.Why != protocol.StandbyHours || on.By != protocol.OwnHours || !on.Until.Equal(begin.Truncate(time.Minute)) || len(off.Later) > 0 {
		t.Errorf("outside the hours: %+v, later %v", on, off.Later)
	}
	has(t, mustRun(t, "vitrine", "status", "--page", page), "Standby   yes: it is outside the operating hours of the viewer's own settings", "next start "+begin.Local().Format("2006-01-02 15:04")+":00")
	has(t, mustRun(t, "vitrine", "schedule", "explain", "--config", file, "--state", state), "Standby: it is outside the operating_hours of the settings", "until "+begin.Format("Mon 2006-01-02 15:04")+":00")

	awaitTrue(t, "the reason in the server's list", func() bool {
		return strings.Contains(mustRun(t, "vitrine-server", "viewers", "list", "--state", s.state), "standby, display off (hours of the viewer's own settings)")
	})
	if text, ok := s.order(t, "wake"); !ok {
		t.Errorf("wake: %s", text)
	}
	awaitStatus(t, page, "awake outside the hours", func(s agent.Status) bool { return lit(s) && s.Standby != nil && s.Standby.Why == protocol.StandbyWoken })
	save("\"00:00-24:00\"")
	awaitStatus(t, page, "open", func(s agent.Status) bool { return lit(s) && s.Standby == nil })
}
