package cmd_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"vitrine/agent/player/browsertest"
	"vitrine/agent/server"
)

// linkOf makes a link for a browser, and gives it with the key in it.
func linkOf(t *testing.T, s site, name string) (link, key string) {
	t.Helper()
	var made server.MadeLink
	if err := json.Unmarshal([]byte(mustRun(t, "vitrine-server", "viewers", "link", name, "--json", "--state", s.state)), &made); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.TrimSuffix(made.Link, "/"), "/")
	return made.Link, parts[len(parts)-1]
}

// listedAs is a viewer as `viewers list` has it.
func listedAs(t *testing.T, s site, name string) server.ViewerStatus {
	t.Helper()
	var all []server.ViewerStatus
	if err := json.Unmarshal([]byte(mustRun(t, "vitrine-server", "viewers", "list", "--json", "--state", s.state)), &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no viewer %s in %+v", name, all)
	return server.ViewerStatus{}
}

// trusting is a browser that believes the site's CA.
func trusting(t *testing.T, s site, allowed ...string) context.Context {
	t.Helper()
	opened, _, err := server.OpenSite(s.state, "")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := base64.RawURLEncoding.DecodeString(opened.Pin().String())
	if err != nil {
		t.Fatal(err)
	}
	return browsertest.Trusting(t, base64.StdEncoding.EncodeToString(pin), allowed...)
}

// awaitKept waits until the browser has kept the page and the programme.
func awaitKept(t *testing.T, browser context.Context, generation string) {
	t.Helper()
	browsertest.Wait(browser, t, fmt.Sprintf("document.documentElement.dataset.worker === 'ready' && document.documentElement.dataset.kept === %q", generation))
}

// awaitWords waits until the browser shows a page with that heading, whatever page it is on its way from.
func awaitWords(t *testing.T, browser context.Context, heading string) {
	t.Helper()
	awaitTrue(t, "page that says "+heading, func() bool {
		got, err := chromedp.Run(browser, chromedp.Evaluate[string]("document.querySelector('main h1')?.textContent ?? ''"))
		return err == nil && got == heading
	})
}

// A plain browser is a viewer: it plays, is listed, does what it is told, plays on and begins again without the server, turns to a new programme,
// and stops when its link is revoked.
func TestBrowserIsAViewerInChromium(t *testing.T) {
	s := newSite(t)
	film, err := os.ReadFile(filepath.Join("..", "player", "testdata", "teal.webm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.media, "3-film.webm"), film, 0o644); err != nil {
		t.Fatal(err)
	}
	running, addr := s.serve(t, "127.0.0.1:0", "--view", "127.0.0.1:0")
	view, _ := running.await("Serving browsers")["view"].(string)
	port := strings.TrimSuffix(view[strings.LastIndex(view, ":")+1:], "/")
	link, key := linkOf(t, s, "Lobby TV")
	if want := "https://127.0.0.1:" + port + "/view/Lobby%20TV/" + key + "/"; link != want || len(key) != 16 {
		t.Fatalf("link %s, want %s", link, want)
	}

	browser := trusting(t, s, "ERR_CONNECTION_REFUSED", "status of 410", "status of 404")
	browsertest.Open(browser, t, link)
	awaitColour(t, browser, color.RGBA{200, 0, 0, 255})
	awaitColour(t, browser, color.RGBA{0, 200, 0, 255})
	var v server.ViewerStatus
	awaitTrue(t, "browser in the list", func() bool {
		v = listedAs(t, s, "Lobby TV")
		return v.Online && v.Pages == 1 && len(v.Reported.Playing) == 1 && v.Reported.Playing[0].Shown
	})
	if !strings.Contains(v.Reported.Device.Model, "Chrome") || v.Reported.Clock.Trust != "server" || v.Reported.Content.Generation.IsZero() {
		t.Errorf("listed as %+v", v)
	}
	first := v.Reported.Content.Generation.String()
	awaitKept(t, browser, first)
	mustRun(t, "vitrine-server", "viewers", "identify", "Lobby TV", "--state", s.state)
	browsertest.Wait(browser, t, "!document.querySelector('vitrine-identify').hidden && document.querySelector('vitrine-identify h1').textContent === 'Lobby TV'")
	if _, errs, code := run(t, "vitrine-server", "viewers", "reboot", "Lobby TV", "--state", s.state); code == 0 || !strings.Contains(errs, "browser") {
		t.Errorf("reboot: %d %s", code, errs)
	}
	awaitTrue(t, "proof of play", func() bool {
		return strings.Contains(mustRun(t, "vitrine-server", "plays", "totals", "--viewer", "Lobby TV", "--state", s.state), "2-green.png")
	})

	// Without the server: plays on, and begins again, with the video in ranges from the cache.
	running.kill()
	browsertest.Wait(browser, t, "document.documentElement.dataset.connection === 'lost'")
	for range 2 {
		browsertest.Do(browser, t, chromedp.Reload())
		browsertest.Wait(browser, t, "document.documentElement.dataset.playing === 'true' && document.documentElement.dataset.connection === 'lost'")
		browsertest.Wait(browser, t, "document.querySelector('video')?.currentTime > 0.2")
		awaitColour(t, browser, color.RGBA{200, 0, 0, 255})
		awaitColour(t, browser, color.RGBA{0, 200, 0, 255})
	}
	if status := browsertest.Eval[int](browser, t, "fetch(document.querySelector('img').src, {headers: {Range: 'bytes=1-3'}}).then(async (r) => r.status * 10 + (await r.arrayBuffer()).byteLength)"); status != 2063 {
		t.Errorf("a range of what is kept: %d", status)
	}

	// A new programme, as soon as all of it is there; nothing of the old one stays.
	running, _ = s.serve(t, addr, "--view", "127.0.0.1:"+port)
	browsertest.Wait(browser, t, "document.documentElement.dataset.connection === 'open'")
	s.add(t, "4-blue.png", color.RGBA{0, 0, 200, 255})
	awaitColour(t, browser, color.RGBA{0, 0, 200, 255})
	awaitTrue(t, "new programme", func() bool {
		v = listedAs(t, s, "Lobby TV")
		return len(v.Reported.Playing) == 1 && v.Reported.Playing[0].Shown && v.Reported.Content.Generation.String() != first
	})
	awaitKept(t, browser, v.Reported.Content.Generation.String())

	mustRun(t, "vitrine-server", "viewers", "revoke", "Lobby TV", "--state", s.state)
	awaitWords(t, browser, "This link has ended")
	if left := browsertest.Eval[int](browser, t, "caches.keys().then((names) => names.length)"); left != 0 {
		t.Errorf("%d caches are left", left)
	}
	browsertest.Open(browser, t, strings.Replace(link, key, strings.Repeat("a", len(key)), 1))
	awaitWords(t, browser, "This link leads nowhere")
	running.mustNotSay(key)
}

// A browser gets the feeds of the programme from the server, which fetches them, and no others.
func TestFeedsForBrowsers(t *testing.T) {
	news := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<rss version="2.0"><channel><title>News</title><item><title>The lift works again</title></item></channel></rss>`)
	}))
	defer news.Close()
	s := newSite(t)
	layout := fmt.Sprintf(`{"presentations": {"news": {"zones": [{"id": "main", "w": 100, "h": 100, "playlist": [{"type": "feed", "url": %q, "seconds": 20}]}]}}, "schedule": {"default": "news"}}`, news.URL)
	if err := os.WriteFile(filepath.Join(s.media, "programme.json"), []byte(layout), 0o644); err != nil {
		t.Fatal(err)
	}
	s.serve(t, "127.0.0.1:0", "--view-http", "127.0.0.1:0")
	link, _ := linkOf(t, s, "tv")
	ask := func(feed string) (int, string) {
		resp, err := http.Get(link + "v1/feed?" + url.Values{"url": {feed}}.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if status, body := ask(news.URL); status != 200 || !strings.Contains(body, "The lift works again") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := ask(news.URL + "/other"); status != 404 {
		t.Errorf("a feed of no programme: %d", status)
	}
}
