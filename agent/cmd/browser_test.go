package cmd_test

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/player/browsertest"
)

// assetOf waits until the page has said that it shows the file of that name, and gives the asset, by which the page knows it.
func assetOf(t *testing.T, page, name string) string {
	t.Helper()
	s := awaitStatus(t, page, "shown "+name, func(s agent.Status) bool {
		return len(s.Playing) == 1 && s.Playing[0].Name == name && s.Playing[0].Shown
	})
	return s.Playing[0].Asset.String()
}

// A person's browser, from the first picture to a server that is gone.
func TestPageInChromium(t *testing.T) {
	s := newSite(t)
	film, err := os.ReadFile(filepath.Join("..", "player", "testdata", "teal.webm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.media, "3-film.webm"), film, 0o644); err != nil {
		t.Fatal(err)
	}
	server, addr := s.serve(t, "127.0.0.1:0")
	_, page := view(t, t.TempDir(), s.token(t))
	awaitStatus(t, page, "playing", playing)

	browser := browsertest.New(t)
	browsertest.Open(browser, t, "http://"+page+"/")
	// Each in its turn, and the pixels are those of the picture.
	for _, c := range []struct {
		name string
		want color.RGBA
	}{{"1-red.png", color.RGBA{200, 0, 0, 255}}, {"2-green.png", color.RGBA{0, 200, 0, 255}}} {
		asset := assetOf(t, page, c.name)
		browsertest.Wait(browser, t, fmt.Sprintf("document.querySelector('vitrine-zone').dataset.asset === %q", asset))
		awaitColour(t, browser, c.want)
	}
	film1 := assetOf(t, page, "3-film.webm")
	browsertest.Wait(browser, t, fmt.Sprintf("document.querySelector('vitrine-zone').dataset.asset === %q && document.querySelector('video')?.currentTime > 0.2", film1))
	browsertest.Wait(browser, t, fmt.Sprintf("document.querySelector('vitrine-zone').dataset.asset !== %q", film1))

	measured := awaitStatus(t, page, "what the page knows of the time", func(s agent.Status) bool { return s.PageClock != nil })
	if text := mustRun(t, "vitrine", "status", "--page", page); !strings.Contains(text, "its clock is within") || measured.PageClock.Error > time.Second {
		t.Errorf("the page's clock is %+v; status says\n%s", measured.PageClock, text)
	}

	server.kill()
	awaitStatus(t, page, "offline", func(s agent.Status) bool { return !connected(s) })
	for range 2 { // twice round: nothing may come from the server any more
		assetOf(t, page, "1-red.png")
		assetOf(t, page, "2-green.png")
		assetOf(t, page, "3-film.webm")
	}

	s.serve(t, addr)
	awaitStatus(t, page, "connected again", connected)
	s.add(t, "4-blue.png", color.RGBA{0, 0, 200, 255})
	copied := time.Now()
	blue := assetOf(t, page, "4-blue.png")
	if took := time.Since(copied); took > 2*time.Second {
		t.Errorf("the new picture was on the page %v after the end of its copy", took)
	} else {
		t.Logf("new picture on the page after %v", took.Round(time.Millisecond))
	}
	browsertest.Wait(browser, t, fmt.Sprintf("document.querySelector('vitrine-zone').dataset.asset === %q", blue))

	mustRun(t, "vitrine-server", "viewers", "identify", "screen", "--state", s.state)
	browsertest.Wait(browser, t, "!document.querySelector('vitrine-identify').hidden && document.querySelector('vitrine-identify h1').textContent === 'screen'")
}
