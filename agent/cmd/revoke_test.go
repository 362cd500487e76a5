package cmd_test

import (
	"strings"
	"testing"

	"vitrine/agent"
)

// A viewer that is turned out plays on and says why it gets nothing. The token that it came with doesn't bring it back,
// although it is good for more; another one does.
func TestRevokedViewer(t *testing.T) {
	s := newSite(t)
	s.serve(t, "127.0.0.1:0")
	state, token := t.TempDir(), s.token(t)
	viewer, page := view(t, state, token)
	before := awaitStatus(t, page, "playing and connected", func(s agent.Status) bool { return connected(s) && playing(s) })

	mustRun(t, "vitrine-server", "viewers", "revoke", "screen", "--state", s.state)
	revoked := func(s agent.Status) bool { return strings.Contains(s.Session.Error, "viewer screen was revoked on") }
	lost := awaitStatus(t, page, "turned out", revoked)
	if !playing(lost) || lost.Content.Generation != before.Content.Generation {
		t.Errorf("it doesn't play on: %+v", lost)
	}
	if list := mustRun(t, "vitrine-server", "viewers", "list", "--state", s.state); !strings.Contains(list, "revoked on") {
		t.Errorf("viewers:\n%s", list)
	}

	viewer.kill()
	viewer, page = view(t, state, token)
	awaitStatus(t, page, "turned out, with the old token", revoked)

	viewer.kill()
	_, page = view(t, state, s.token(t))
	back := awaitStatus(t, page, "connected again", connected)
	if back.Viewer == before.Viewer || back.Name != "screen-2" || back.Content.Generation != before.Content.Generation {
		t.Errorf("it is back as %+v", back)
	}
}
