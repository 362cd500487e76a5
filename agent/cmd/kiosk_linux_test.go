package cmd_test

import (
	"bytes"
	"image/color"
	"image/jpeg"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitrine/agent"
)

// chromiumOf is the browser for a kiosk; a test without one is skipped, or fails with CI set.
func chromiumOf(t testing.TB) string {
	t.Helper()
	name := os.Getenv("CHROMIUM")
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(name + " isn't installed")
	}
	if err != nil {
		t.Skip(name + " isn't installed")
	}
	return path
}

// kioskConfig writes the settings of a viewer that runs a browser, without a screen, and gives their file. As root, the browser is somebody else's, and
// has no sandbox, since in a container it may not make one.
func kioskConfig(t testing.TB, more ...string) string {
	t.Helper()
	arguments := []string{"--headless", "--disable-gpu", "--screen-info={1280x720}"}
	lines := []string{"[kiosk]", "browser = " + strconv.Quote(chromiumOf(t))}
	if os.Geteuid() == 0 {
		arguments = append(arguments, "--no-sandbox")
		lines = append(lines, `user = "nobody"`)
	}
	lines = append(append(lines, `arguments = ["`+strings.Join(arguments, `", "`)+`"]`), more...)
	file := filepath.Join(t.TempDir(), "vitrine.toml")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// openDir is a folder that other users may enter, as a state folder's way is on a device.
func openDir(t testing.TB) string {
	t.Helper()
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// browserRuns tells whether a viewer runs a browser, whose page says what it shows.
func browserRuns(s agent.Status) bool {
	return s.Browser != nil && s.Browser.Running && len(s.Playing) > 0 && s.Playing[0].Shown
}

// A viewer's own browser shows the programme, is pictured from both ends, comes back when it is killed or told to, and goes with the viewer, even if
// that is killed.
func TestKioskChromium(t *testing.T) {
	s := newSite(t)
	if err := os.Remove(filepath.Join(s.media, "2-green.png")); err != nil {
		t.Fatal(err)
	}
	_, addr := s.serve(t, "127.0.0.1:0")
	state := openDir(t)
	viewer, page := view(t, state, s.token(t), "--server", addr, "--config", kioskConfig(t))
	first := awaitStatus(t, page, "shown by its browser", browserRuns)

	dir := t.TempDir()
	red := color.RGBA{200, 0, 0, 255}
	at := func(file string) color.RGBA {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		picture, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if picture.Bounds().Dx() != 1280 || len(data) > 250_000 {
			t.Errorf("%s: %v, %d bytes", file, picture.Bounds(), len(data))
		}
		return middle(picture)
	}
	here, there := filepath.Join(dir, "here.jpg"), filepath.Join(dir, "there.jpg")
	awaitTrue(t, "picture of the picture", func() bool { // the fade to it may still be under way
		mustRun(t, "vitrine", "screenshot", "--state", state, here)
		return near(at(here), red)
	})
	mustRun(t, "vitrine-server", "viewers", "screenshot", "screen", "--state", s.state, "--output", there)
	if got := at(there); !near(got, red) {
		t.Errorf("the middle of the picture is %v", got)
	}
	if keep := os.Getenv("VITRINE_KEEP"); keep != "" { // to look at it
		mustRun(t, "vitrine", "screenshot", "--state", state, keep)
	}

	if text := mustRun(t, "vitrine", "status", "--page", page); !strings.Contains(text, "Browser   chromium, since") || !strings.Contains(text, "started once") {
		t.Errorf("the status:\n%s", text)
	}
	if err := syscall.Kill(first.Browser.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := func(starts int) func(agent.Status) bool {
		return func(s agent.Status) bool { return browserRuns(s) && s.Browser.Starts == starts }
	}
	awaitStatus(t, page, "shown by a second browser", again(2))
	if text, ok := s.order(t, "restart-player"); !ok || !strings.Contains(text, `"browsers":1`) {
		t.Errorf("restart-player: %s", text)
	}
	last := awaitStatus(t, page, "shown by a third browser", again(3))

	viewer.kill()
	profile := filepath.Join(state, "browser")
	awaitTrue(t, "end of the browser", func() bool { return len(processesOf(t, profile)) == 0 && syscall.Kill(last.Browser.PID, 0) != nil })
}

// processesOf are the processes that name something in their command lines.
func processesOf(t *testing.T, text string) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(data, []byte(text)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// A viewer whose service manager has a watchdog feeds it, as often as that wants.
func TestWatchdog(t *testing.T) {
	socket := filepath.Join(shortDir(t), "notify")
	manager, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	start(t, []string{"env", "NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=600000"}, "vitrine", "run", "--state", t.TempDir(), "--page", "127.0.0.1:0", "--wake-ports", "17039")
	if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for fed, b := 0, make([]byte, 64); fed < 5; {
		n, _, err := manager.ReadFrom(b)
		if err != nil {
			t.Fatalf("after %d times: %v", fed, err)
		}
		if string(b[:n]) != "WATCHDOG=1" {
			continue
		}
		if since := time.Since(last); fed > 0 && since > 600*time.Millisecond {
			t.Errorf("fed after %v", since)
		}
		last = time.Now()
		fed++
	}
}
