package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vitrine/agent/config"
	"vitrine/agent/health"
	"vitrine/agent/kiosk"
	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// patience is how long a test waits for what must happen: a browser on a busy machine with few cores can be slow.
const patience = 60 * time.Second

// freePort is a port of this machine that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// screenConfig is that of an agent without a server and with a browser of its own, which takes orders on a port.
func screenConfig(t *testing.T, port int) Config {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("chromium isn't installed")
	}
	if err != nil {
		t.Skip("chromium isn't installed")
	}
	dir, err := os.MkdirTemp("", "vt") // others may enter it, unlike t.TempDir
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := Config{
		State: dir, Page: "127.0.0.1:0", Version: "test", Discovery: config.Discovery{Interfaces: []string{"none"}}, // the servers here are those of other tests
		Health: HealthOf(config.Health{}), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Kiosk: config.Kiosk{Browser: chromium, Arguments: []string{"--headless", "--disable-gpu", fmt.Sprintf("--remote-debugging-port=%d", port)}},
	}
	if os.Geteuid() == 0 {
		c.Kiosk.User = "nobody"
		c.Kiosk.Arguments = append(c.Kiosk.Arguments, "--no-sandbox")
	}
	return c
}

// startScreen runs such an agent, and gives that port.
func startScreen(t *testing.T, settings func(*Config), limits health.Limits) (a *Agent, port int) {
	t.Helper()
	port = freePort(t)
	c := screenConfig(t, port)
	if settings != nil {
		settings(&c)
	}
	a, stop := runScreen(t, c, limits)
	t.Cleanup(stop)
	return a, port
}

// runScreen runs an agent until it is stopped.
func runScreen(t *testing.T, c Config, limits health.Limits) (a *Agent, stop func()) {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	a.limits = limits
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// texts is a programme that needs nothing from the disk.
func texts(name string, words ...string) player.Programme {
	var items []manifest.Item
	for _, w := range words {
		items = append(items, manifest.Item{Type: manifest.Text, Text: w, Seconds: 1})
	}
	return player.Programme{Generation: digest.Of([]byte(name)), Manifest: &manifest.Manifest{
		Version: manifest.Version, ID: name, Presentations: map[string]manifest.Presentation{name: {Zones: []manifest.Zone{{ID: "main", W: 100, H: 100, Playlist: items}}}},
		Schedule: manifest.Schedule{Default: name},
	}}
}

// awaitScreen waits until the page of the browser that the agent runs is as it should be.
func awaitScreen(t *testing.T, a *Agent, what string, ok func(health.Observation) bool) {
	t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); ; {
		o := screenWatch{a}.observe()
		if ok(o) {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("the screen isn't %s: %+v, %+v, faults %+v", what, o, o.Page, a.faults.list())
		}
	}
}

func right(o health.Observation) bool {
	return o.Page != nil && o.Page.Changes > 0 && o.Page.Wrong == ""
}

// evaluate runs something in the page.
func evaluate(t *testing.T, port int, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/json/list", port))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var targets []struct{ Type, URL, WebSocketDebuggerURL string }
	if err := json.NewDecoder(resp.Body).Decode(&targets); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(targets, func(target struct{ Type, URL, WebSocketDebuggerURL string }) bool {
		return target.Type == "page" && strings.Contains(target.URL, "key=")
	})
	if i < 0 {
		t.Fatalf("there is no page: %+v", targets)
	}
	conn, _, err := websocket.Dial(ctx, targets[i].WebSocketDebuggerURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	message, err := json.Marshal(map[string]any{"id": 1, "method": "Runtime.evaluate", "params": map[string]string{"expression": script}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageText, message); err != nil {
		t.Fatal(err)
	}
	if _, answer, err := conn.Read(ctx); err != nil || strings.Contains(string(answer), "exception") {
		t.Fatalf("%v: %s", err, answer)
	}
}

// A real page that hangs, and one that shows the wrong thing, are mended, by the mildest step that helps.
func TestScreenIsMended(t *testing.T) {
	a, port := startScreen(t, nil, health.Limits{Gone: 20 * time.Second, Silent: 12 * time.Second, Wrong: 8 * time.Second, Frozen: 20 * time.Second, Settle: time.Second})
	if err := a.player.Show(texts("one", "a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	awaitScreen(t, a, "right", right)
	mended := func(events int) {
		t.Helper()
		taken, err := os.ReadFile(filepath.Join(a.config.State, healthFile))
		if n := strings.Count(string(taken), `"step"`); err != nil || n < events {
			t.Errorf("%d steps are noted, %v: %s", n, err, taken)
		}
	}

	// It stands still at what it shows, and says so. Loading it again is enough.
	var before time.Time
	awaitScreen(t, a, "right", func(o health.Observation) bool {
		if right(o) {
			before = o.Page.Opened
		}
		return right(o)
	})
	evaluate(t, port, `document.querySelector('vitrine-zone').stop(), true`)
	awaitScreen(t, a, "another page", func(o health.Observation) bool { return right(o) && o.Page.Opened.After(before) })
	if starts := a.kiosk.Status().Starts; starts != 1 {
		t.Errorf("the browser was started %d times", starts)
	}
	mended(1)

	// It computes for ever. It can't be told anything, so that the browser has to go.
	evaluate(t, port, `setTimeout(() => { for (;;); }), true`)
	awaitScreen(t, a, "another browser's", func(o health.Observation) bool { return right(o) && o.Starts == 2 })
	mended(2)
}

// An agent that starts anew with other settings finds its browser on the screen, and the page connects itself, unless the settings are about the browser.
func TestScreenOutlivesItsAgent(t *testing.T) {
	c := screenConfig(t, freePort(t))
	c.Page = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	c.Browsers, c.StartAnew = kiosk.NewKeeper(context.Background()), func() {}
	t.Cleanup(c.Browsers.Close)
	shows := func(what string, change func(*Config)) (pid, starts int) {
		t.Helper()
		change(&c)
		a, stop := runScreen(t, c, health.Limits{})
		defer stop()
		if err := a.player.Show(texts("one", "a", "b", "c")); err != nil {
			t.Fatal(err)
		}
		awaitScreen(t, a, what, right)
		a.startAnew()
		s := a.kiosk.Status()
		return s.PID, s.Starts
	}
	first, _ := shows("right", func(*Config) {})
	if pid, starts := shows("right for the next agent", func(c *Config) { c.Name, c.Location = "other", protocol.Location{"hall"} }); pid != first || starts != 1 {
		t.Errorf("another name: browser %d in place of %d, after %d starts", pid, first, starts)
	}
	if pid, starts := shows("right when turned", func(c *Config) { c.Screen.Rotation = 90 }); pid != first || starts != 1 {
		t.Errorf("a rotation, for which the page loads itself again: browser %d in place of %d, after %d starts", pid, first, starts)
	}
	second, starts := shows("another browser's", func(c *Config) { c.Kiosk.Arguments = append(c.Kiosk.Arguments, "--mute-audio") })
	if second == first || starts != 1 {
		t.Errorf("other arguments: browser %d after %d, %d starts", second, first, starts)
	}
	if pid, _ := shows("elsewhere", func(c *Config) { c.Page = fmt.Sprintf("127.0.0.1:%d", freePort(t)) }); pid == second {
		t.Error("the browser lives on with a page that has gone")
	}
	a, stop := runScreen(t, func() Config { c.Kiosk = config.Kiosk{}; return c }(), health.Limits{})
	stop()
	if a.kiosk != nil || syscall.Kill(second, 0) == nil {
		t.Error("there is a browser, and none is wanted")
	}
}
