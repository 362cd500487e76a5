package cmd_test

import (
	"cmp"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/platform/atomicfile"
)

// The viewer as a service of Windows: it starts by hand and with the machine, takes new settings, stops in time, plays what is on disk after it was killed, and
// leaves what it should. Wine starts no service again that has failed.
func TestWineService(t *testing.T) {
	exe := wineProgram(t)
	data := filepath.Join(cmp.Or(os.Getenv("WINE"), "/var/cache/vitrine/wine"), "root/.wine/drive_c/ProgramData/vitrine")
	off := wineMachine(t)
	service := func(want, command string, more ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), wineScript, append([]string{"run", exe, "service", command}, more...)...).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("service %s: %v: %s\nwant %q", command, err, out, want)
		}
	}
	service("its data are removed", "uninstall", "--purge", "--yes") // after a test that was killed
	s := newSite(t)
	server, addr := s.serve(t, "127.0.0.1:0")
	token, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	settings := "name = \"screen\"\ntoken = \"" + strings.TrimSpace(string(token)) + "\"\nservers = [\"" + addr + "\"]\npage = \"127.0.0.1:0\"\n"
	save := func(text string) {
		t.Helper()
		if err := atomicfile.Write(filepath.Join(data, "vitrine.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// plays waits until the service has begun for the so-many-th time, and has its programme from the server.
	plays := func(times int) (string, agent.Status) {
		t.Helper()
		page := winePage(t, filepath.Join(data, "vitrine.log"), times)
		now := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
		mustServe(t, page, now)
		return page, now
	}

	service("not installed", "status")
	service("vitrine service install", "start")
	service("is installed", "install")
	service("installed already", "install")
	service("stopped", "status")
	save(settings)
	service("is started", "start")
	service("running", "status")
	page, first := plays(1)
	server.await("A viewer is online")
	save(settings + "location = \"hall/left\"\n")
	awaitStatus(t, page, "moved", func(s agent.Status) bool { return s.Location.String() == "hall/left" })
	if list := mustRun(t, "vitrine-server", "viewers", "list", "--state", s.state); !strings.Contains(list, "screen") {
		t.Errorf("the server's viewers:\n%s", list)
	}

	begin := time.Now()
	service("is stopped", "stop")
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	mustBeOff(t, page)
	service("stopped", "status")
	service("is started", "start")
	page, _ = plays(2)
	service("started again", "restart")
	mustBeOff(t, page)
	plays(3)

	if out, err := exec.CommandContext(t.Context(), wineScript, "run", "taskkill", "/f", "/im", "vitrine.exe").CombinedOutput(); err != nil {
		t.Fatalf("taskkill: %v\n%s", err, out)
	}
	awaitTrue(t, "end of the service", func() bool {
		out, _ := exec.CommandContext(t.Context(), wineScript, "run", exe, "service", "status").Output() // its exit code says that it doesn't run
		return strings.Contains(string(out), "stopped")
	})
	service("is started", "start")
	page, _ = plays(4)

	off()
	awaitTrue(t, "end of the viewer with its machine", func() bool { return isOff(page) })
	wineMachine(t)
	if _, last := plays(5); last.Viewer != first.Viewer {
		t.Errorf("the viewer is %v after the machine's start, and was %v", last.Viewer, first.Viewer)
	}

	service("its data are in", "uninstall")
	if _, err := os.Stat(filepath.Join(data, "state/identity/key.pem")); err != nil {
		t.Errorf("after uninstall: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(data, "*.log*")); err != nil || len(left) > 0 {
		t.Errorf("after uninstall there are %v, %v", left, err)
	}
	service("its data are removed", "uninstall", "--purge", "--yes")
	if _, err := os.Stat(data); err == nil {
		t.Error("after uninstall --purge the data are there")
	}
}

// wineMachine starts a Windows, whose services run as long as some other program does: until off is called. The first program has all of Windows' output, so
// that it must be up before others are run whose output is waited for.
func wineMachine(t *testing.T) (off func()) {
	t.Helper()
	c := exec.Command(wineScript, "run", "cmd.exe")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("Wine says nothing: %v", err)
	}
	off = func() {
		_ = in.Close()
		_ = c.Wait() // a second time does no harm
	}
	t.Cleanup(off)
	return off
}

// winePage is the address of the page that the service's log names for the so-many-th time.
func winePage(t *testing.T, log string, times int) (page string) {
	t.Helper()
	awaitTrue(t, "page of the service", func() bool {
		text, _ := os.ReadFile(log) // it may not be there yet
		parts := strings.Split(string(text), "The player page is ready: open http://")
		if len(parts) <= times {
			return false
		}
		page, _, _ = strings.Cut(parts[times], "/")
		return true
	})
	return page
}

func mustBeOff(t *testing.T, page string) {
	t.Helper()
	if !isOff(page) {
		t.Error("the viewer still answers")
	}
}

func isOff(page string) bool {
	resp, err := http.Get("http://" + page + "/v1/status")
	if err != nil {
		return true
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return false
}
