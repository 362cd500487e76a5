package cmd_test

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// Times of the viewers in these tests, in seconds. On one network a third of the keepalive is used.
const (
	testKeepAlive   = 6
	testReturnAfter = 2
)

// A pair is a site with a main server on host a, a backup on host b that has a copy of its folder, and a viewer on host d.
type pair struct {
	lab
	main, backup serving
	viewer       *process
	screen       host
	// generation is what plays, whatever happens.
	generation string
}

// serving is a server and how it was started.
type serving struct {
	*process
	host  host
	args  []string
	hosts string // the last part of its addresses
}

func (s *serving) start(t testing.TB) {
	t.Helper()
	s.process = start(t, s.host.prefix(), "vitrine-server", s.args...)
	s.await("Serving viewers")
}

// newPair starts everything, and waits until the programme plays.
func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{lab: newLab(t)}
	p.screen = p.host("d")
	s := newSite(t)
	p.main = serving{host: p.host("a"), hosts: "1", args: []string{"run", "--state", s.state, "--media", s.media, "--site", "e2e", "--peer", "backup=10.77.0.2"}}
	p.main.start(t)
	p.main.process.await("The programme is up to date")
	p.viewer = start(t, p.screen.prefix(), "vitrine", "run", "--config", settings(t), "--state", t.TempDir(), "--name", "screen", "--token-file", s.token(t))
	got := p.screen.await("connected and playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	p.generation = got.Content.Generation.String()
	copied := s.backup(t)
	p.backup = serving{host: p.host("b"), hosts: "2", args: []string{
		"run", "--state", copied.state, "--media", copied.media, "--role", "backup", "--name", "backup", "--peer", "main=10.77.0.1"}}
	p.backup.start(t)
	return p
}

// backup copies the site, as it is now, for a backup server.
func (s site) backup(t testing.TB) site {
	t.Helper()
	copied := site{state: shortDir(t), media: s.media}
	if err := os.CopyFS(copied.state, filesOnly{os.DirFS(s.state)}); err != nil {
		t.Fatal(err)
	}
	return copied
}

// filesOnly leaves out what can't be copied: a running server's socket.
type filesOnly struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (f filesOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Type()&fs.ModeSocket != 0 }), err
}

// settings writes a vitrine.toml with short times.
func settings(t testing.TB, more ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vitrine.toml")
	text := strings.Join(more, "\n") + fmt.Sprintf("\n[session]\nkeepalive = %d\nreturn_after = %d\n", testKeepAlive, testReturnAfter)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// awaitState waits until the session is in a state with a server, nil for none, and its error says something, and looks that what played plays
// on. It gives how long it took.
func (p *pair) awaitState(state string, server *serving, says string) time.Duration {
	p.t.Helper()
	began := time.Now()
	what := fmt.Sprintf("%s, saying %q", state, says)
	got := p.screen.await(what, func(s agent.Status) bool {
		return s.Session.State == state && (server == nil || server.is(s.Session.Server)) && strings.Contains(s.Session.Error, says) && (says != "" || s.Session.Error == "")
	})
	if !playing(got) || got.Content.Generation.String() != p.generation {
		p.t.Errorf("%s: it doesn't play on: %+v", what, got)
	}
	return time.Since(began)
}

// is tells whether an address is one of the server's.
func (s *serving) is(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	host, _, _ = strings.Cut(host, "%")
	last := host[strings.LastIndexAny(host, ".:")+1:]
	return err == nil && last == s.hosts
}

// wake sends the viewer a magic packet from another host, of which it tells its server.
func (p *pair) wake() {
	p.t.Helper()
	mac := strings.TrimSpace(command(p.t, append(p.screen.prefix(), "cat", "/sys/class/net/eth0/address")...))
	command(p.t, append(p.host("c").prefix(), program("vitrine"), "wake", mac)...)
	p.viewer.await("Woken by a magic packet")
}

// countOf is how often a process has said something.
func (p *process) countOf(text string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		if message, _ := line["msg"].(string); strings.Contains(message, text) {
			n++
		}
	}
	return n
}

// The servers die and come back, in every order. The programme plays on, the status says what is so, and the viewer is always with the best server
// that there is.
func TestServersDieAndReturn(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.main.kill()
	if took := p.awaitState(protocol.StateDegraded, &p.backup, "refused the connection"); took > 5*time.Second {
		t.Errorf("the backup had the session after %v", took)
	}
	p.main.start(t)
	p.awaitState(protocol.StateConnected, &p.main, "")
	if gap := p.viewer.countOf("No session with a server"); gap != 1 {
		t.Errorf("%d times without a server, of which one was when the main one died", gap)
	}

	// Both gone, and the backup comes first.
	p.backup.kill()
	p.awaitState(protocol.StateConnected, &p.main, "")
	p.main.kill()
	p.awaitState(protocol.StateOffline, nil, "refused the connection")
	p.wake()
	p.backup.start(t)
	p.awaitState(protocol.StateDegraded, &p.backup, "refused the connection")
	p.backup.await("A viewer says: woken by a magic packet")
	if text := mustRun(t, "vitrine-server", "viewers", "events", "screen", "--state", p.backup.args[2]); strings.Count(text, "woken by a magic packet") != 1 {
		t.Errorf("the events are\n%s", text)
	}
	p.main.start(t)
	p.awaitState(protocol.StateConnected, &p.main, "")

	// Both gone, and the main one comes first; the backup then changes nothing.
	p.main.kill()
	p.awaitState(protocol.StateDegraded, &p.backup, "refused the connection")
	p.backup.kill()
	p.awaitState(protocol.StateOffline, nil, "refused the connection")
	p.main.start(t)
	p.awaitState(protocol.StateConnected, &p.main, "")
	p.backup.start(t)
	p.awaitState(protocol.StateConnected, &p.main, "")
	if n := p.main.countOf("A viewer says: woken by") + p.backup.countOf("A viewer says: woken by"); n != 0 {
		t.Errorf("the event came %d times again", n)
	}
}

// A server that stands still, as one whose disk hangs, is left within one and a half keepalives, although its machine still answers.
func TestServerFreezes(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	if err := p.main.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if took := p.awaitState(protocol.StateDegraded, &p.backup, "10.77.0.1"); took > (testKeepAlive*3/2+5)*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := p.main.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.awaitState(protocol.StateConnected, &p.main, "")
}
