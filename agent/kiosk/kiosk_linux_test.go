package kiosk

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

var ready = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// start runs a kiosk until the test is over.
func start(t *testing.T, k *Kiosk) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// await polls what another process does.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-poll.C:
		case <-late:
			t.Fatalf("not %s within %v", what, patience)
		}
	}
}

// script is a stand-in for a browser.
func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "browser")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func lines(file string) []string {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}

// A browser that ends is started again, with its address and an empty profile, and the reason is told.
func TestBrowserComesBack(t *testing.T) {
	note := filepath.Join(t.TempDir(), "note")
	profile := filepath.Join(t.TempDir(), "profile")
	failed := make(chan error, 100)
	t.Setenv("VITRINE_TOKEN", "secret")
	k := New(Config{
		Command: []string{script(t, `
			ls "$2" | grep -q . && echo dirty >> `+note+`
			[ -n "$VITRINE_TOKEN" ] && echo leak >> `+note+`
			touch "$2/lock"
			echo "$1$SETTING" >> `+note+`
			echo "the screen is gone" >&2
			exit 3`), "{url}", "{profile}"},
		Environment: []string{"SETTING=yes"}, Profile: profile, URL: func() string { return "http://page/" }, Ready: ready,
		Failed: func(err error) { failed <- err },
	})
	start(t, k)
	await(t, "started twice", func() bool { return len(lines(note)) >= 2 })
	for _, line := range lines(note) {
		if line != "http://page/yes" {
			t.Errorf("the browser got %q", line)
		}
	}
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "browser has ended: exit status 3: the screen is gone") {
		t.Errorf("told %v", err)
	}
}

// One that eats memory and one that is to go are ended, with all that they started, and that is no fault.
func TestBrowserIsEnded(t *testing.T) {
	for name, c := range map[string]struct {
		limit int64
		text  string
		want  string // why the kiosk itself has ended it; empty if it was asked to
	}{
		"memory": {1 << 10, "sleep 1000 & echo $! >> NOTE; wait", "MiB of memory, and may use 0"},
		"asked":  {0, "sleep 1000 & echo $! >> NOTE; wait", ""},
		"deaf":   {0, "trap '' TERM; sleep 1000 & echo $! >> NOTE; while :; do wait; done", ""},
	} {
		t.Run(name, func(t *testing.T) {
			note := filepath.Join(t.TempDir(), "note")
			whys := make(chan string, 100)
			k := New(Config{
				Command: []string{script(t, strings.ReplaceAll(c.text, "NOTE", note))}, MemoryLimit: c.limit,
				Profile: filepath.Join(t.TempDir(), "profile"), URL: func() string { return "" }, Ready: ready,
				Failed: func(err error) {
					if err != nil {
						t.Errorf("failed: %v", err)
					}
				},
				Restarted: func(why string) { whys <- why },
			})
			k.look = 50 * time.Millisecond
			start(t, k)
			await(t, "started", func() bool { return len(lines(note)) >= 1 })
			helper, err := strconv.Atoi(lines(note)[0])
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if !k.Restart("somebody wants it") {
					t.Fatal("none is running")
				}
			} else if why := <-whys; !strings.Contains(why, c.want) {
				t.Errorf("ended because %s, want %q", why, c.want)
			}
			await(t, "rid of its helper", func() bool { return syscall.Kill(helper, 0) != nil || zombie(helper) })
			await(t, "started again", func() bool { return len(lines(note)) >= 2 && k.Status().Starts >= 2 })
		})
	}
}

// zombie tells whether a process has ended, and only nobody has asked for it: in a container there may be no init that does.
func zombie(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(data), ") Z ")
}

// Memory beyond the limit waits for a quiet moment, if it isn't far too much.
func TestQuietMoment(t *testing.T) {
	var quiet atomic.Bool
	k := New(Config{Quiet: quiet.Load})
	c := exec.Command("sleep", "1000")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	}()
	var used int64
	await(t, "measured", func() bool {
		k.config.MemoryLimit = 1 << 40
		k.weigh(c.Process.Pid)
		used = k.Status().Memory
		return used > 0
	})
	k.config.MemoryLimit = used * 4 / 5
	if why := k.weigh(c.Process.Pid); why != "" {
		t.Errorf("ended while somebody looks: %s", why)
	}
	quiet.Store(true)
	if why := k.weigh(c.Process.Pid); why == "" {
		t.Error("not ended at a quiet moment")
	}
	quiet.Store(false)
	k.config.MemoryLimit = used / 4
	if why := k.weigh(c.Process.Pid); why == "" {
		t.Error("four times the limit, and not ended")
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, _, err := find("auto"); err == nil || !strings.Contains(err.Error(), "install chromium") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"firefox-esr", "chromium-browser", "cog", "my-browser"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		b, path, err := find("auto")
		want := map[string]string{"firefox-esr": "firefox", "chromium-browser": "chromium", "cog": "cog", "my-browser": "cog"}[name]
		if err != nil || b.name != want {
			t.Errorf("with %s: %s at %s, %v; want %s", name, b.name, path, err, want)
		}
	}
	for setting, want := range map[string]string{"firefox": "firefox", "chromium": "chromium", filepath.Join(dir, "firefox-esr"): "firefox", "my-browser": "chromium"} {
		if b, _, err := find(setting); err != nil || b.name != want {
			t.Errorf("%s is %s, %v", setting, b.name, err)
		}
	}
	for setting, want := range map[string]string{"edge": "edge isn't installed", "/none/x": "kiosk.browser"} {
		if _, _, err := find(setting); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", setting, err)
		}
	}
	profile := t.TempDir()
	b, _, err := find("firefox")
	if err != nil || b.prepare(profile) != nil {
		t.Fatal(err)
	}
	if args := strings.Join(b.arguments(profile), " "); !strings.Contains(args, "--kiosk") || !strings.Contains(args, profile) {
		t.Error(args)
	}
}

// chromiumConfig is that of a kiosk with a real browser, without a screen.
func chromiumConfig(t *testing.T, url string) Config {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium isn't installed")
		}
		t.Skip("chromium isn't installed")
	}
	profile, err := os.MkdirTemp("", "vitrine-kiosk") // t.TempDir is root's own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(profile) })
	c := Config{Browser: "chromium", Arguments: []string{"--headless", "--disable-gpu"}, Profile: profile, URL: func() string { return url }, Ready: ready}
	if os.Geteuid() == 0 {
		c.User = "nobody"
		c.Arguments = append(c.Arguments, "--no-sandbox") // in a container there may be no user namespaces
	}
	return c
}

// A real browser that needs more memory than it may have is started again, with what it needed.
func TestChromiumMemory(t *testing.T) {
	c := chromiumConfig(t, "data:text/html,<body>page")
	c.MemoryLimit = 40 << 20
	whys := make(chan string, 10)
	c.Restarted = func(why string) { whys <- why }
	k := New(c)
	k.look = time.Second
	start(t, k)
	var used int
	select {
	case why := <-whys:
		if _, err := fmt.Sscanf(why, "it used %d MiB of memory, and may use 40", &used); err != nil || used < 60 {
			t.Errorf("restarted because %s: %v", why, err)
		}
	case <-time.After(patience):
		t.Fatal("it may use what it likes")
	}
	await(t, "started again", func() bool { return k.Status().Starts == 2 })
}

// A real browser shows the page, is pictured, and comes back after its page crashes and after it is killed.
func TestChromium(t *testing.T) {
	var visits atomic.Int64
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		visits.Add(1)
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><title>page</title><style>body { background: #00c800; }</style>`))
	}))
	defer page.Close()
	k := New(chromiumConfig(t, page.URL+"/"))
	start(t, k)
	await(t, "shown", func() bool { return visits.Load() == 1 })
	picture := func() (data []byte) {
		await(t, "pictured", func() bool {
			var err error
			data, err = k.Screenshot(t.Context(), 320, 70)
			if err != nil {
				return false
			}
			decoded, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				return false
			}
			_, green, blue, _ := decoded.At(160, 50).RGBA()
			return decoded.Bounds().Dx() == 320 && green>>8 > 190 && blue>>8 < 20
		})
		return data
	}
	if data := picture(); len(data) > 20<<10 {
		t.Errorf("the picture has %d bytes", len(data))
	}
	k.mu.Lock()
	tools, first := k.life.tools, k.life.command.Process.Pid
	k.mu.Unlock()
	if owner, err := os.Stat("/proc/" + strconv.Itoa(first)); err != nil || os.Geteuid() == 0 && owner.Sys().(*syscall.Stat_t).Uid == 0 {
		t.Errorf("the browser runs as root, %v", err)
	}

	var targets struct {
		TargetInfos []struct{ TargetID, Type string }
	}
	if err := tools.call(t.Context(), "", "Target.getTargets", struct{}{}, &targets); err != nil {
		t.Fatal(err)
	}
	var attached struct{ SessionID string }
	for _, target := range targets.TargetInfos {
		if target.Type == "page" {
			if err := tools.call(t.Context(), "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
				t.Fatal(err)
			}
		}
	}
	tools.mu.Lock()
	err := tools.post(1_000_000, attached.SessionID, "Page.crash", struct{}{})
	tools.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "back after its page crashed", func() bool { return visits.Load() == 2 })
	picture()

	second := k.Status().PID
	if second == first {
		t.Error("the same browser goes on")
	}
	if err := syscall.Kill(second, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "back after it was killed", func() bool { return visits.Load() == 3 })
	picture()
	if status := k.Status(); status.PID == 0 || status.Starts != 3 {
		t.Errorf("%+v", status)
	}
}
