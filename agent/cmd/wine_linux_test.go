package cmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
)

// wineScript runs Windows programs.
const wineScript = "../../scripts/wine"

// The viewer for Windows: it says what it is, enrols with a server that it is told of, plays, and says so. Wine's UDP isn't what Go wants (SIO_UDP_NETRESET), so
// that it finds no server by itself here, nor the time.
func TestWine(t *testing.T) {
	exe := wineProgram(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), wineScript, append([]string{"run", exe}, args...)...).Output()
		if err != nil {
			t.Fatalf("vitrine.exe %v: %v", args, err)
		}
		return string(out)
	}
	if out := run("version"); !strings.Contains(out, "windows/amd64") {
		t.Errorf("version: %s", out)
	}
	if out := run("service", "install", "--help"); !strings.Contains(out, "on Windows") {
		t.Errorf("help: %s", out)
	}

	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	p := newProcess(t, "vitrine.exe", []string{wineScript, "run", exe, "run", "--state", t.TempDir(), "--name", "screen", "--page", "127.0.0.1:0",
		"--server", addr, "--token-file", s.token(t), "--log-format", "json"})
	log, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(log)
	t.Cleanup(p.kill)
	message, _ := p.await("The player page is ready")["msg"].(string)
	_, rest, _ := strings.Cut(message, "http://")
	page, _, _ := strings.Cut(rest, "/")
	now := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	mustServe(t, page, now)
	if out := run("status", "--page", page); !strings.Contains(out, "red.png") && !strings.Contains(out, "green.png") {
		t.Errorf("status:\n%s", out)
	}
}

// wineProgram is the path of the viewer for Windows.
func wineProgram(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("VITRINE_WINE")
	if folder == "" {
		t.Skip("this needs Wine, and the programs for Windows: run it by `make wine-test`")
	}
	exe, err := filepath.Abs(filepath.Join("../..", folder, "vitrine.exe"))
	if err != nil {
		t.Fatal(err)
	}
	return exe
}
