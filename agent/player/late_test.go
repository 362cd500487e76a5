package player_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/manifest"
)

// Twenty web pages in a zone at the side don't answer, as when the uplink is down: their zone alone waits for them. The picture in the main zone is on a few
// seconds after the page was opened, and so is that of the next programme, without a dark frame; the side shows what it did. Once they answer, it shows them.
func TestDeadPagesKeepNothingBack(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, second, before := l.picture(t, red), l.picture(t, green), l.picture(t, blue)
	answers := make(chan struct{})
	failed, failures := fails()
	p := start(t, player.Config{Assets: l.open, Failed: failed, Reachable: func(ctx context.Context, _ string) error {
		select {
		case <-answers:
			return nil
		case <-ctx.Done():
			return errors.New("it doesn't answer")
		}
	}})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<body style='background:#00c0c0'>") }))
	defer web.Close()
	var dead []manifest.Item
	for i := range 20 {
		dead = append(dead, webItem(fmt.Sprintf("%s/%d", web.URL, i), 5))
	}
	main := func(items ...manifest.Item) manifest.Zone {
		return manifest.Zone{ID: "main", W: 80, H: 100, Playlist: items}
	}
	side := func(items ...manifest.Item) manifest.Zone {
		return manifest.Zone{ID: "side", X: 80, W: 20, H: 100, Playlist: items}
	}

	ctx := browse(t, p, "502", "ERR_")
	show(t, p, l.zones("files", main(still(first, 3600)), side(still(before, 3600))))
	see(ctx, t, red)
	browsertest.Wait(ctx, t, `getComputedStyle(document.querySelector('vitrine-wait')).visibility === 'hidden'`)
	recording := browsertest.Record(ctx, t)
	show(t, p, l.zones("dead", main(still(second, 3600)), side(dead...)))
	see(ctx, t, green)
	select {
	case f := <-failures:
		if f.Zone != "side" {
			t.Errorf("%+v", f)
		}
	case <-time.After(patience):
		t.Error("that the web pages don't answer is never said")
	}
	frames := recording.Stop()
	onlyColours(t, frames, red, green)
	sideIs(t, frames, blue)
	if got := p.Differs(p.OpenPages()[0]); got != "" {
		t.Errorf("the watch over the screen says: %s", got)
	}

	browsertest.Open(ctx, t, "http://"+p.Addr()+"/")
	see(ctx, t, green)
	sideIs(t, []image.Image{browsertest.Screenshot(ctx, t)}, color.RGBA{0x10, 0x20, 0x30, 255})
	close(answers)
	for deadline := time.Now().Add(patience); !near(at(browsertest.Screenshot(ctx, t), 90, 50), teal); {
		if time.Now().After(deadline) {
			t.Fatal("the web pages answer, and aren't shown")
		}
	}
}

// sideIs fails if the zone at the side has another colour in any frame.
func sideIs(t *testing.T, frames []image.Image, want color.Color) {
	t.Helper()
	for i, frame := range frames {
		if got := at(frame, 90, 50); !near(got, want) {
			t.Errorf("frame %d of %d: %v at the side, want %v", i, len(frames), got, want)
		}
	}
}
