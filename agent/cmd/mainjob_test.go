package cmd_test

import (
	"image/color"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

func connected(s agent.Status) bool { return s.Session.Up() }

func playing(s agent.Status) bool { return !s.Content.Generation.IsZero() && len(s.Playing) == 1 }

// The main job from an empty state, and then everything that may go wrong with it in a day.
func TestMainJob(t *testing.T) {
	s := newSite(t)
	server, addr := s.serve(t, "127.0.0.1:0")
	state := t.TempDir()
	token := s.token(t)
	viewer, page := view(t, state, token)

	viewer.await("Found a server by a WS-Discovery probe")
	viewer.await("Enrolled at site")
	viewer.await("The session is up")
	viewer.await("Activated a new programme")
	first := awaitStatus(t, page, "playing with a measured clock", func(s agent.Status) bool {
		return connected(s) && playing(s) && s.Clock.Trust == "ntp"
	})
	if first.Site != "e2e" || first.Name != "screen" || first.Session.Server != addr || len(first.Faults) > 0 {
		t.Errorf("status %+v", first)
	}
	mustServe(t, page, first)
	for _, p := range []*process{server, viewer} {
		p.mustNotSay(secretsOf(t, token, state)...)
	}

	server.kill()
	lost := awaitStatus(t, page, "offline", func(s agent.Status) bool { return s.Session.State == protocol.StateOffline })
	if lost.Content.Generation != first.Content.Generation || !playing(lost) || lost.Session.Error == "" {
		t.Errorf("without a server: %+v", lost)
	}
	mustServe(t, page, lost)

	viewer.kill()
	began := time.Now()
	viewer, page = view(t, state, "")
	viewer.await("Playing what is on disk")
	again := awaitStatus(t, page, "playing", playing)
	if again.Content.Generation != first.Content.Generation {
		t.Errorf("offline it plays %v, not %v", again.Content.Generation, first.Content.Generation)
	}
	t.Logf("offline start to playing: %v", time.Since(began).Round(time.Millisecond))
	mustServe(t, page, again)

	s.serve(t, addr)
	awaitStatus(t, page, "connected again", connected)

	s.add(t, "3-blue.png", color.RGBA{0, 0, 200, 255})
	copied := time.Now()
	awaitStatus(t, page, "playing the new picture", func(s agent.Status) bool {
		return len(s.Playing) == 1 && s.Playing[0].Name == "3-blue.png"
	})
	if took := time.Since(copied); took > 2*time.Second {
		t.Errorf("the new picture came %v after the end of its copy", took)
	} else {
		t.Logf("new picture on after %v", took.Round(time.Millisecond))
	}
}

// secretsOf are what must never be in a log: the token's secret, and lines of the viewer's private key.
func secretsOf(t *testing.T, token, state string) []string {
	t.Helper()
	text, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := protocol.ParseJoinToken(string(text))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(state, "identity", "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return []string{parsed.Secret.Reveal(), strings.Split(string(key), "\n")[1]}
}

// mustServe fetches the page and what it is to show.
func mustServe(t *testing.T, page string, s agent.Status) {
	t.Helper()
	for _, path := range []string{"/", "/assets/" + s.Playing[0].Asset.String()} {
		resp, err := http.Get("http://" + page + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
