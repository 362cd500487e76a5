package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// The whole way without a token: the viewer shows a code, a person finds the same one in the server's list, approves it, and it plays. One that is
// rejected says so. A viewer that was turned out plays on while it waits, and comes back only by approval.
func TestPairing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	_, page := view(t, t.TempDir(), "", "--server", addr)
	pending := func(s agent.Status) bool { return s.Session.State == protocol.StatePending && s.Pairing != "" }
	got := awaitStatus(t, page, "waiting for approval", pending)

	list := mustRun(t, "vitrine-server", "viewers", "list", "--state", s.state)
	if !strings.Contains(list, "screen") || !strings.Contains(list, "waits for approval, code "+got.Pairing) {
		t.Fatalf("the viewer shows %s; the list is\n%s", got.Pairing, list)
	}
	if text := mustRun(t, "vitrine", "status", "--page", page); !strings.Contains(text, got.Pairing) {
		t.Errorf("status:\n%s", text)
	}
	if json := mustRun(t, "vitrine-server", "viewers", "list", "--json", "--state", s.state); !strings.Contains(json, `"code": "`+got.Pairing+`"`) {
		t.Errorf("as JSON: %s", json)
	}
	mustRun(t, "vitrine-server", "viewers", "approve", strings.ToLower(got.Pairing), "--name", "Lobby", "--state", s.state)
	before := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	if before.Name != "Lobby" || before.Pairing != "" {
		t.Errorf("status %+v", before)
	}

	mustRun(t, "vitrine-server", "viewers", "revoke", "Lobby", "--state", s.state)
	lost := awaitStatus(t, page, "waiting for approval again", pending)
	if !playing(lost) || !strings.Contains(lost.Session.Error, "was revoked on") || lost.Pairing == got.Pairing {
		t.Errorf("status %+v", lost)
	}
	mustRun(t, "vitrine-server", "viewers", "reject", lost.Pairing, "--state", s.state)
	awaitStatus(t, page, "told that it was rejected", func(s agent.Status) bool {
		return strings.Contains(s.Session.Error, "was rejected at the site") && playing(s)
	})

	_, other := view(t, t.TempDir(), "", "--server", addr)
	waits := awaitStatus(t, other, "waiting for approval", pending)
	mustRun(t, "vitrine-server", "viewers", "approve", waits.Pairing, "--as", "Lobby", "--state", s.state)
	replaced := awaitStatus(t, other, "in its place", func(s agent.Status) bool { return connected(s) && playing(s) })
	if replaced.Name != "Lobby" || replaced.Viewer != before.Viewer {
		t.Errorf("status %+v", replaced)
	}
}

// Somebody who sees the code and gives the viewer a token after all needn't approve it.
func TestTokenWhilePairing(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	token, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vitrine.toml")
	settings := "name = \"screen\"\nservers = [\"" + addr + "\"]\npage = \"127.0.0.1:0\"\n"
	if err := atomicfile.Write(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	viewer := start(t, nil, "vitrine", "run", "--config", file, "--state", shortDir(t))
	viewer.await("This viewer waits for approval")
	if err := atomicfile.Write(file, []byte("token = \""+strings.TrimSpace(string(token))+"\"\n"+settings), 0o600); err != nil {
		t.Fatal(err)
	}
	viewer.await("with the join token")
	viewer.await("The session is up")
}
