package cmd_test

import (
	"os"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// A server that comes back without its state is another site, whatever it calls itself: the viewer says what is wrong, plays on, and is connected
// again as soon as the state was restored.
func TestServerLosesItsState(t *testing.T) {
	s := newSite(t)
	server, addr := s.serve(t, "127.0.0.1:0")
	_, page := view(t, t.TempDir(), s.token(t), "--server", addr)
	before := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	server.kill()

	kept := s.state + "-kept"
	if err := os.Rename(s.state, kept); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(kept) })
	server, _ = s.serve(t, addr)
	lost := awaitStatus(t, page, "told of another CA", func(s agent.Status) bool {
		return s.Session.State == protocol.StateOffline && strings.Contains(s.Session.Error, `also called "e2e" but has another CA`)
	})
	if !playing(lost) || lost.Content.Generation != before.Content.Generation || !strings.HasPrefix(lost.Session.Error, addr) {
		t.Errorf("status %+v", lost)
	}
	server.kill()

	if err := os.RemoveAll(s.state); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kept, s.state); err != nil {
		t.Fatal(err)
	}
	s.serve(t, addr)
	back := awaitStatus(t, page, "connected again", connected)
	if back.Session.Error != "" || back.Content.Generation != before.Content.Generation {
		t.Errorf("status %+v", back)
	}
}
