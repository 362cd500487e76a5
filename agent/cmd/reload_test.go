package cmd_test

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// What changes in the settings counts at once, or is said to count later; a mistake changes nothing, not even at the next start. The programme
// plays on through all of it.
func TestReload(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	token, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	state, file := shortDir(t), filepath.Join(t.TempDir(), "vitrine.toml")
	save := func(text string) {
		t.Helper()
		if err := atomicfile.Write(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings := "name = \"screen\"\ntoken = \"" + strings.TrimSpace(string(token)) + "\"\nservers = [\"" + addr + "\"]\npage = \"127.0.0.1:0\"\n"
	save(settings + "[wake]\nports = [17009]\n")
	begin := func() (*process, string) {
		t.Helper()
		p := start(t, nil, "vitrine", "run", "--config", file, "--state", state)
		message, _ := p.await("The player page is ready")["msg"].(string)
		_, rest, _ := strings.Cut(message, "http://")
		page, _, _ := strings.Cut(rest, "/")
		return p, page
	}
	viewer, page := begin()
	first := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	fault := func(want string) func(agent.Status) bool {
		return func(s agent.Status) bool {
			return slices.ContainsFunc(s.Faults, func(f protocol.Fault) bool { return f.Code == "settings" && strings.Contains(f.Message, want) })
		}
	}

	save(settings + "location = \"hall/left\"\n[wake]\nports = [17009]\n")
	awaitStatus(t, page, "moved", func(s agent.Status) bool { return s.Location.String() == "hall/left" && len(s.Later) == 0 })
	save(settings + "location = \"hall/left\"\n[wake]\nports = [17010]\n")
	awaitStatus(t, page, "to listen elsewhere later", func(s agent.Status) bool { return slices.Equal(s.Later, []string{"wake"}) })
	viewer.await("count only from the next start")

	save(settings + "location = \"hall/right\"\n[wake]\nports = [70000]\n")
	awaitStatus(t, page, "told of the port", fault("line 7, column 1: wake.ports: 70000"))
	save(settings + "location = \n")
	awaitStatus(t, page, "told of the line", fault("line 5"))
	if got := status(t, page); got.Location.String() != "hall/left" || !playing(got) || !connected(got) {
		t.Errorf("with mistakes: %+v", got)
	}

	// With the mistake the next start has the last settings that were right.
	viewer.kill()
	viewer, page = begin()
	awaitStatus(t, page, "started all the same", func(s agent.Status) bool {
		return fault("line 5")(s) && s.Location.String() == "hall/left" && playing(s) && s.Content.Generation == first.Content.Generation
	})
	save(settings + "[wake]\nports = [17010]\n")
	got := awaitStatus(t, page, "right again", func(s agent.Status) bool { return !fault("")(s) && s.Location.String() == "" })
	if runtime.GOOS != "windows" {
		if err := viewer.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if after := awaitStatus(t, page, "connected", connected); !after.Started.Equal(got.Started) || !playing(after) {
		t.Errorf("after SIGHUP: %+v", after)
	}
	if out := mustRun(t, "vitrine", "status", "--page", page); strings.Contains(out, "FAULT") {
		t.Errorf("status says:\n%s", out)
	}
}
