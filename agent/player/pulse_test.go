package player_test

import (
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
)

// awaitPage waits until the one page that is open is as it should be.
func awaitPage(t *testing.T, p *player.Player, what string, ok func(player.Page) bool) player.Page {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); ; {
		pages := p.OpenPages()
		if len(pages) == 1 && ok(pages[0]) {
			return pages[0]
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waiting for %s: the agent knows %+v", what, pages)
		}
	}
}

func TestPulse(t *testing.T) {
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	one := l.programme("one", still(l.picture(t, red), 10))
	show(t, p, one)
	if pages := p.OpenPages(); len(pages) != 0 {
		t.Fatalf("%+v", pages)
	}
	c := dial(t, p)
	c.say(map[string]any{"type": "pulse", "visible": true, "frames": 12, "drawn": 250, "moved": 10000})
	c.say(map[string]any{"type": "shown", "generation": one.Generation, "presentation": "welcome", "zone": "main", "index": 0, "asset": one.Manifest.Presentations["welcome"].Zones[0].Playlist[0].Asset, "since": 1})
	c.sync()
	got := p.OpenPages()[0]
	if !got.Visible || got.Frames != 12 || got.Drawn != 250 || got.Moved != 10*time.Second || got.Key != "" || got.Shown["main"].Presentation != "welcome" {
		t.Errorf("%+v", got)
	}
	if got.Heard.Before(got.Opened) || time.Since(got.Heard) > patience {
		t.Errorf("opened %v, heard %v", got.Opened, got.Heard)
	}
}

// What a real browser counts: about a frame a second at rest, and those of a video while it moves.
func TestPulseOfAPage(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	show(t, p, l.programme("one", video(l.film(t))))
	ctx := browsertest.New(t)
	browsertest.Open(ctx, t, "http://"+p.Addr()+"/?key=mine")
	first := awaitPage(t, p, "a first pulse", func(g player.Page) bool { return g.Visible && g.Shown["main"].Shown })
	if first.Key != "mine" {
		t.Errorf("its key is %q", first.Key)
	}
	next := awaitPage(t, p, "the next pulse", func(g player.Page) bool { return g.Frames > first.Frames+5 })
	// Of a film of 1.2 s that is looked at once a second, little or nothing is seen to move.
	if next.Drawn < 3*10 {
		t.Errorf("of videos that moved for %v, %d frames were drawn", next.Moved, next.Drawn)
	}
	if next.Frames > first.Frames+15 {
		t.Errorf("%d frames within ten seconds", next.Frames-first.Frames)
	}
}
