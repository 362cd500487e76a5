package cmd_test

import (
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// The whole way without a token: the viewer shows a code, a person finds the same one in the server's list, approves it, and it plays. One that is
// rejected says so. A viewer that was turned out plays on while it waits, and comes back only by approval.
func TestPairing(t *testing.T) {
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
