package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
)

// stickImage makes a stick: an ext4 file system in a file, with a vitrine.toml on it.
func stickImage(t *testing.T, settings string) string {
	t.Helper()
	needProgram(t, "mkfs.ext4", "e2fsprogs")
	folder, file := t.TempDir(), filepath.Join(t.TempDir(), "stick.img")
	if err := os.WriteFile(filepath.Join(folder, "vitrine.toml"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "mkfs.ext4", "-q", "-O", "^has_journal", "-d", folder, file, "2M")
	return file
}

// soon is within which time the log says what is done with a stick: whoever has put it in looks that long.
const soon = 5 * time.Second

// insert mounts a stick at /media/stick of a process, as a desktop does, sees to it that the log says soon what is done with it, and gives what reads its
// report.
func (p *process) insert(image, says string) (report func() string) {
	p.t.Helper()
	defer p.awaitSoon(time.Now(), says)
	p.inside("mount", "-t", "tmpfs", "-o", "size=1m", "none", "/media")
	p.inside("mount", "--make-private", "/media")
	p.inside("mkdir", "/media/stick")
	p.inside("mount", "-o", "loop,nosuid,nodev,noexec", image, "/media/stick")
	return func() string {
		data, err := os.ReadFile(filepath.Join("/proc", pid(p), "root/media/stick/vitrine-report.txt"))
		if err != nil {
			return ""
		}
		return string(data)
	}
}

// awaitSoon waits for a line of the log that has a text and isn't older than a stick.
func (p *process) awaitSoon(since time.Time, text string) {
	p.t.Helper()
	for times := 1; ; times++ {
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(p.awaitTimes(text, times)["time"]))
		if err != nil {
			p.t.Fatal(err)
		}
		if at.Before(since) {
			continue
		}
		if took := at.Sub(since); took > soon {
			p.t.Errorf("only %v after the stick was put in does the log say %q", took, text)
		}
		return
	}
}

// awaitReport waits for a report that has all of these texts.
func awaitReport(t *testing.T, report func() string, want ...string) {
	t.Helper()
	last := ""
	defer func() {
		if t.Failed() {
			t.Logf("the report is %q", last)
		}
	}()
	awaitTrue(t, "report with "+strings.Join(want, ", "), func() bool {
		last = report()
		for _, text := range want {
			if !strings.Contains(last, text) {
				return false
			}
		}
		return true
	})
}

// A viewer that knows nothing needs a stick, and nothing else; once it belongs to a site, it takes only what the site has signed, and no older one
// again.
func TestStickSetsAViewerUp(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	token, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(token))
	screen, state, config := l.host("b"), openDir(t), kioskConfig(t)
	viewer := start(t, screen.prefix(), "vitrine", "run", "--state", state, "--config", config)
	viewer.await("The player page is ready")
	const notTaken, taken, key = "not taken, and nothing is changed", "are taken; the viewer starts anew", "the key of the radio"
	radio := "[network.wifi]\r\nssid = \"Shop\"\r\nkey = \"" + key + "\"\r\n"
	wrong := viewer.insert(stickImage(t, "name = \"Lobby\"\r\ntoken = \""+secret+"\"\r\nlocation = “building-a”\r\n"+radio), notTaken)
	awaitReport(t, wrong, "NOT DONE. Nothing was changed on this viewer.\r\n", "vitrine.toml, line 3, column 12: “ is a curly quote", "Address:        10.77.0.2\r\n")
	if _, err := os.Stat(filepath.Join(state, "settings.json")); err == nil {
		t.Error("something is kept of settings that are wrong")
	}
	wrongReport := wrong()
	viewer.unplug()

	// The shop is closed: whoever has put the stick in sees all the same that it plays.
	opens := time.Now().Add(8 * time.Hour)
	hours := opens.Format("15:04") + " \u2013 " + opens.Add(time.Minute).Format("15:04")
	good := viewer.insert(stickImage(t, "\ufeffname = \"Lobby, left\"\r\noperating_hours = [\""+hours+"\"]\r\nlocation = \"building-a\"\r\nlabels = [\"portrait\"]\r\ntoken = \""+secret+"\"\r\n"), taken)
	first := screen.await("enrolled and playing, and shown", func(s agent.Status) bool {
		return connected(s) && browserRuns(s) && s.Name == "Lobby, left" && s.Location.String() == "building-a" && len(s.Labels) == 1 &&
			s.Standby != nil && !s.Standby.Active && s.Standby.By == "a USB stick"
	})
	awaitReport(t, good, "Done. The settings are in effect, since", "Name:           Lobby, left\r\n", "Site:           e2e\r\n", "Session:        connected to ", "Address:        10.77.0.2\r\n")
	if strings.Contains(good(), "vitrine1.") {
		t.Errorf("the report shows the token: %s", good())
	}
	viewer.unplug()

	unsigned := viewer.insert(stickImage(t, "location = \"building-b\"\n"+radio), notTaken)
	awaitReport(t, unsigned, "NOT DONE.", "takes only settings that are signed by it: `vitrine-server provision sign FILE`")
	for _, report := range []string{wrongReport, unsigned()} {
		if strings.Contains(report, key) {
			t.Errorf("the report shows the key of the radio: %s", report)
		}
	}
	viewer.unplug()

	sign := func(settings string) string {
		file := filepath.Join(t.TempDir(), "vitrine.toml")
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
		mustRun(t, "vitrine-server", "provision", "sign", "--state", s.state, file)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	older, second := sign("location = \"building-b\"\r\n"), sign("location = \"building-c\"\r\n")
	at := func(location string) func(agent.Status) bool {
		return func(s agent.Status) bool { return connected(s) && playing(s) && s.Location.String() == location }
	}
	viewer.insert(stickImage(t, second), taken)
	got := screen.await("at the place of the signed settings", func(s agent.Status) bool { return at("building-c")(s) && browserRuns(s) })
	if got.Browser.PID != first.Browser.PID || !got.Started.After(first.Started) {
		t.Errorf("settings that say nothing of the browser have started it again: %+v after %+v", got.Browser, first.Browser)
	}
	viewer.unplug()
	awaitReport(t, viewer.insert(stickImage(t, older), notTaken), "NOT DONE.", "it is an old one (number")
	viewer.unplug()
	awaitReport(t, viewer.insert(stickImage(t, strings.Replace(sign("location = \"building-d\"\n"), "building-d", "building-e", 1)), notTaken), "NOT DONE.", "it was changed after it was signed")
	if got, err := screen.status(); err != nil || !at("building-c")(got) {
		t.Errorf("status %+v, %v", got, err)
	}

	// The stick stays in, and the power comes back: all is as it was.
	viewer.unplug()
	viewer.kill()
	viewer.mustNotSay(secret, key)
	viewer = start(t, screen.prefix(), "vitrine", "run", "--state", state, "--config", config)
	screen.await("at its place after a power cut", at("building-c"))
	viewer.insert(stickImage(t, second), "has its settings already")
}
