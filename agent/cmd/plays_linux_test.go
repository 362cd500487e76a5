package cmd_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vitrine/agent"
)

// browser is a page that says what it shows, as the real one does (agent/player/README.md), and shows nothing.
type browser struct {
	t          *testing.T
	conn       *websocket.Conn
	generation string
	screen     string
	asset      string
	played     int
}

func newBrowser(t *testing.T, page string) *browser {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+page+"/v1/page", nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	b := &browser{t: t, conn: conn}
	var programme struct {
		Generation, Presentation string
		Zones                    []struct{ Playlist []struct{ Asset string } }
	}
	b.await("programme", &programme)
	b.generation, b.screen, b.asset = programme.Generation, programme.Presentation, programme.Zones[0].Playlist[0].Asset
	return b
}

// await reads until a message of a type.
func (b *browser) await(kind string, into any) {
	b.t.Helper()
	for {
		_, data, err := b.conn.Read(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		var m struct{ Type string }
		if err := json.Unmarshal(data, &m); err != nil {
			b.t.Fatal(err)
		}
		if m.Type == kind {
			if err := json.Unmarshal(data, into); err != nil {
				b.t.Fatal(err)
			}
			return
		}
	}
}

// play tells of some plays, and waits until the viewer has them.
func (b *browser) play(n int) {
	b.t.Helper()
	for range n {
		id := fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ6%06d", b.played)
		b.played++
		message := fmt.Sprintf(`{"type":"played","play":%q,"generation":%q,"presentation":%q,"zone":"main","index":0,"asset":%q,"since":%d,"seconds":5.5,"complete":%t}`,
			id, b.generation, b.screen, b.asset, time.Now().UnixMilli(), b.played%10 != 0)
		if err := b.conn.Write(b.t.Context(), websocket.MessageText, []byte(message)); err != nil {
			b.t.Fatal(err)
		}
		var noted struct{ Play string }
		if b.await("noted", &noted); noted.Play != id {
			b.t.Fatalf("%s is noted, want %s", noted.Play, id)
		}
	}
}

// Plays of an outage are on the viewer's disk, survive its end, and reach the server once when it is back.
func TestPlays(t *testing.T) {
	s := newSite(t)
	server, addr := s.serve(t, "127.0.0.1:0")
	state := shortDir(t)
	viewer, page := view(t, state, s.token(t), "--server", addr)
	awaitStatus(t, page, "playing", playing)
	server.kill()
	awaitStatus(t, page, "without a server", func(s agent.Status) bool { return !s.Session.Up() })
	b := newBrowser(t, page)
	b.play(120)
	awaitStatus(t, page, "plays that wait", func(s agent.Status) bool { return s.Plays.Waiting == 120 })
	has(t, mustRun(t, "vitrine", "status", "--page", page), "120 wait for a server")
	viewer.stop()
	list := mustRun(t, "vitrine", "plays", "list", "--state", state)
	has(t, list, "waits", "waits, cut short", "5.5")
	if n := strings.Count(list, "\n"); n != 51 {
		t.Errorf("%d lines", n)
	}
	rows, err := csv.NewReader(strings.NewReader(mustRun(t, "vitrine", "plays", "export", "--csv", "--state", state))).ReadAll()
	if err != nil || len(rows) != 121 || rows[0][1] != "id" || rows[1][0] != "false" || rows[120][1] != "01ARZ3NDEKTSV4RRFFQ6000119" {
		t.Errorf("%d rows, %v, %v", len(rows), rows[0], err)
	}

	_, addr = s.serve(t, addr)
	viewer, page = view(t, state, "", "--server", addr)
	awaitStatus(t, page, "all sent", func(s agent.Status) bool { return s.Session.Up() && s.Plays.Waiting == 0 })
	viewer.kill() // what it had noted of what was sent is lost
	_, page = view(t, state, "", "--server", addr)
	awaitStatus(t, page, "all sent", func(s agent.Status) bool { return s.Session.Up() && s.Plays.Waiting == 0 })

	var totals []struct {
		What, Zone               string
		Plays, Complete, Viewers int
		Seconds                  float64
	}
	if err := json.Unmarshal([]byte(mustRun(t, "vitrine-server", "plays", "totals", "--json", "--state", s.state)), &totals); err != nil {
		t.Fatal(err)
	}
	if len(totals) != 1 || totals[0].Plays != 120 || totals[0].Complete != 108 || totals[0].Viewers != 1 || totals[0].Seconds != 120*5.5 || totals[0].Zone != "main" {
		t.Errorf("%+v", totals)
	}
	has(t, mustRun(t, "vitrine-server", "plays", "totals", "--state", s.state), "PLAYS", "120", "108", "11m0s")
	rows, err = csv.NewReader(strings.NewReader(mustRun(t, "vitrine-server", "plays", "export", "--csv", "--viewer", "screen", "--from", "2026-01-01", "--state", s.state))).ReadAll()
	if err != nil || len(rows) != 121 || rows[1][0] != "screen" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if out := mustRun(t, "vitrine-server", "plays", "export", "--json", "--to", "2026-01-01", "--state", s.state); out != "" {
		t.Errorf("plays of before: %s", out)
	}
	for _, c := range [][]string{
		{"vitrine-server", "plays", "export", "--state", s.state}, {"vitrine-server", "plays", "totals", "--from", "yesterday", "--state", s.state},
		{"vitrine", "plays", "export", "--csv", "--json", "--state", state}, {"vitrine", "plays", "list", "--last", "0", "--state", state},
	} {
		if _, errs, code := run(t, c[0], c[1:]...); code != 2 {
			t.Errorf("%v: exit code %d, %s", c, code, errs)
		}
	}
}
