// Package cmd_test runs the two programs as a person does: as processes, over real sockets.
package cmd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/agent"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// programs is the folder with the two programs, built for the tests.
var programs string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vitrine-programs-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// The race detector of a child would otherwise wait a second at its end.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	args := []string{"build", "-o", dir + string(filepath.Separator)}
	if os.Getenv("CGO_ENABLED") != "0" { // which the race detector needs
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "./vitrine", "./vitrine-server")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	programs = dir
	return m.Run()
}

// program is the path of one of the two.
func program(name string) string { return filepath.Join(programs, name) }

// A process is a program that runs. Its log is read as it comes.
type process struct {
	t        testing.TB
	name     string
	cmd      *exec.Cmd
	ended    chan struct{}
	patience time.Duration

	mu    sync.Mutex
	lines []map[string]any
	news  chan struct{}
}

// start runs a program with a JSON log until the end of the test. A prefix, such as `ip netns exec NAME`, which
// becomes the program, may go before it.
func start(t testing.TB, prefix []string, name string, args ...string) *process {
	t.Helper()
	argv := append(append(append([]string{}, prefix...), program(name)), append(args, "--log-format", "json", "--log", "debug")...)
	p := newProcess(t, name, argv)
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(log)
	t.Cleanup(p.kill)
	return p
}

func newProcess(t testing.TB, name string, argv []string) *process {
	return &process{t: t, name: name, cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{}), patience: patience, news: make(chan struct{})}
}

func (p *process) read(log io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := map[string]any{}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			line["msg"] = lines.Text()
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		close(p.news)
		p.news = make(chan struct{})
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // how it ended is seen in its log
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	<-p.ended
	if p.t.Failed() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, line := range p.lines {
			p.t.Logf("%s: %v", p.name, line)
		}
		p.lines = nil
	}
}

// mustNotSay fails the test if the log, which is at its most talkative, has one of these strings.
func (p *process) mustNotSay(texts ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		said := fmt.Sprint(line)
		for _, text := range texts {
			if strings.Contains(said, text) {
				p.t.Errorf("%s must not say %q: %s", p.name, text, said)
			}
		}
	}
}

// await waits for a log line that contains text, and gives it.
func (p *process) await(text string) map[string]any {
	p.t.Helper()
	return p.awaitTimes(text, 1)
}

// awaitTimes waits for so many log lines that contain text, and gives the last of them.
func (p *process) awaitTimes(text string, times int) map[string]any {
	p.t.Helper()
	deadline := time.After(p.patience)
	seen := 0
	for {
		p.mu.Lock()
		for ; seen < len(p.lines); seen++ {
			if message, _ := p.lines[seen]["msg"].(string); !strings.Contains(message, text) {
				continue
			}
			if times--; times == 0 {
				line := p.lines[seen]
				p.mu.Unlock()
				return line
			}
		}
		news := p.news
		p.mu.Unlock()
		select {
		case <-news:
		case <-p.ended:
			p.t.Fatalf("%s ended without saying %q", p.name, text)
		case <-deadline:
			p.t.Fatalf("%s does not say %q", p.name, text)
		}
	}
}

// run runs a program to its end, and gives what it printed.
func run(t testing.TB, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, program(name), args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

// mustRun is run for what must succeed.
func mustRun(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, errs, code := run(t, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s", name, strings.Join(args, " "), code, errs)
	}
	return out
}

// site is a server's folders.
type site struct{ state, media string }

func newSite(t testing.TB) site {
	t.Helper()
	s := site{state: shortDir(t), media: t.TempDir()}
	s.add(t, "1-red.png", red)
	s.add(t, "2-green.png", green)
	return s
}

// shortDir makes a folder whose path is short enough for a socket.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// add copies a picture of one colour into the media folder.
func (s site) add(t testing.TB, name string, c color.Color) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 160, 90))
	for i := range 160 * 90 {
		img.Set(i%160, i/160, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.media, name), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// serve starts the site's server, and gives its session address.
func (s site) serve(t testing.TB, listen string, more ...string) (p *process, addr string) {
	t.Helper()
	p = start(t, nil, "vitrine-server", append([]string{"run", "--state", s.state, "--media", s.media, "--site", "e2e",
		"--listen", listen, "--ntp", "127.0.0.1:0", "--seconds", "2"}, more...)...)
	addr, _ = p.await("Serving viewers")["server"].(string)
	p.await("The programme is up to date")
	return p, addr
}

// token makes a join token and writes it into a file.
func (s site) token(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	token := mustRun(t, "vitrine-server", "token", "create", "--state", s.state)
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// view starts a viewer with a page on a free port, and gives the page's address. token is a file, or empty.
func view(t testing.TB, state, token string, more ...string) (p *process, page string) {
	t.Helper()
	args := append([]string{"run", "--state", state, "--name", "screen", "--page", "127.0.0.1:0", "--wake-ports", "17009"}, more...)
	if token != "" {
		args = append(args, "--token-file", token)
	}
	p = start(t, nil, "vitrine", args...)
	message, _ := p.await("The player page is ready")["msg"].(string)
	_, rest, _ := strings.Cut(message, "http://")
	page, _, _ = strings.Cut(rest, "/")
	return p, page
}

// status asks a viewer how it does.
func status(t testing.TB, page string) agent.Status {
	t.Helper()
	resp, err := http.Get("http://" + page + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var s agent.Status
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// awaitStatus waits until a viewer's status is as wanted.
func awaitStatus(t testing.TB, page, what string, ok func(agent.Status) bool) agent.Status {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		s := status(t, page)
		if ok(s) {
			return s
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("the viewer is not %s: %+v", what, s)
		}
	}
}

// awaitTrue waits for what nothing tells of.
func awaitTrue(t testing.TB, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("there is no %s", what)
		}
	}
}
