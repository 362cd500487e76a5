package cmd_test

import (
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
)

// standIns are programs in the place of those that take a machine down: they only note that they were called.
func standIns(t *testing.T) (path, note string) {
	t.Helper()
	dir := t.TempDir()
	note = filepath.Join(dir, "called")
	for _, name := range []string{"systemctl", "reboot", "poweroff"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho "+name+" $* >>"+note+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir + ":" + os.Getenv("PATH"), note
}

// order has the viewer "screen" do something, and gives what the person sees.
func (s site) order(t *testing.T, args ...string) (text string, ok bool) {
	t.Helper()
	out, errs, code := run(t, "vitrine-server", append([]string{"viewers", args[0], "screen", "--state", s.state}, args[1:]...)...)
	return out + errs, code == 0
}

// Every command of the protocol is done, or answered with the reason why it can't be on this device.
func TestCommands(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	path, note := standIns(t)
	state := t.TempDir()
	viewer := start(t, []string{"env", "-u", "NOTIFY_SOCKET", "PATH=" + path}, "vitrine", "run", "--state", state, "--name", "screen", "--page", "127.0.0.1:0",
		"--wake-ports", "17019", "--token-file", s.token(t), "--server", addr)
	message, _ := viewer.await("The player page is ready")["msg"].(string)
	_, rest, _ := strings.Cut(message, "http://")
	page, _, _ := strings.Cut(rest, "/")
	first := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })

	for _, c := range []struct {
		args []string
		want string
		fail bool
	}{
		{[]string{"identify"}, "screen: done", false},
		{[]string{"refresh"}, "screen: done", false},
		{[]string{"wake"}, "screen: done", false},
		{[]string{"purge-cache"}, `"files":0`, false},
		{[]string{"wake-peer", "02:00:00:00:00:05"}, `"sent":[`, false},
		{[]string{"wake-peer", "nonsense"}, "not a MAC address", true},
		{[]string{"logs", "--lines", "3"}, "The server commands: logs", false},
		{[]string{"logs", "--lines", "0"}, "args.lines: 0 is out of range", true},
		{[]string{"restart-player"}, "no browser shows the page", true},
		{[]string{"screenshot"}, "runs no browser of its own", true},
		{[]string{"restart-agent"}, "wasn't started as a service", true},
		{[]string{"standby"}, "screen: done", false},
		{[]string{"wake"}, "screen: done", false},
		{[]string{"rollback"}, "no earlier programme on this disk", true},
	} {
		text, ok := s.order(t, c.args...)
		if ok == c.fail || !strings.Contains(text, c.want) {
			t.Errorf("%q: %v, %s", c.args, ok, text)
		}
	}
	if log, _ := s.order(t, "logs"); strings.Contains(log, "vitrine1.") || !strings.Contains(log, "Enrolled at site") {
		t.Errorf("the log:\n%s", log)
	}

	if os.Geteuid() == 0 {
		for _, name := range []string{"reboot", "poweroff"} {
			if text, ok := s.order(t, name); !ok || !strings.Contains(text, "screen: done") {
				t.Errorf("%s: %s", name, text)
			}
			viewer.awaitFile(note, name)
		}
	} else if text, ok := s.order(t, "reboot"); ok || !strings.Contains(text, "doesn't run as root") {
		t.Errorf("reboot without the right: %s", text)
	}

	// Back to the programme before, and away from the one that was; until there is a third.
	s.add(t, "3-blue.png", color.RGBA{0, 0, 200, 255})
	second := awaitStatus(t, page, "playing the second programme", func(s agent.Status) bool { return s.Content.Generation != first.Content.Generation })
	if text, ok := s.order(t, "rollback"); !ok || !strings.Contains(text, first.Content.ID) {
		t.Errorf("rollback: %s", text)
	}
	rolledBack := func(s agent.Status) bool {
		return s.Content.Generation == first.Content.Generation && len(s.Faults) == 1 && s.Faults[0].Code == "rolled-back"
	}
	awaitStatus(t, page, "playing the first programme again", rolledBack)
	viewer.kill()
	_, page = view(t, state, "", "--server", addr)
	awaitStatus(t, page, "still playing the first programme", func(s agent.Status) bool { return connected(s) && rolledBack(s) })
	s.add(t, "4-white.png", color.White)
	third := awaitStatus(t, page, "playing the third programme", func(s agent.Status) bool {
		return s.Content.Generation != first.Content.Generation && len(s.Faults) == 0
	})
	if third.Content.Generation == second.Content.Generation {
		t.Error("it plays the programme that it was rolled back from")
	}
}

// awaitFile waits until a file has a text. Nothing tells when, so that it is looked at again and again.
func (p *process) awaitFile(path, text string) {
	p.t.Helper()
	awaitTrue(p.t, "a file "+path+" with "+text, func() bool {
		data, err := os.ReadFile(path)
		return err == nil && strings.Contains(string(data), text)
	})
}

// A service's agent goes when it is told to, and says that it was done.
func TestRestartAgent(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	socket := filepath.Join(shortDir(t), "notify")
	viewer := start(t, []string{"env", "NOTIFY_SOCKET=" + socket}, "vitrine", "run", "--state", t.TempDir(), "--name", "screen", "--page", "127.0.0.1:0",
		"--wake-ports", "17029", "--token-file", s.token(t), "--server", addr)
	viewer.await("The session is up")
	awaitTrue(t, "an answer", func() bool {
		text, ok := s.order(t, "restart-agent")
		if !ok && !strings.Contains(text, "offline") {
			t.Fatal(text)
		}
		return ok && strings.Contains(text, "screen: done")
	})
	<-viewer.ended
	if code := viewer.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
