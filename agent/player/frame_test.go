package player_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vitrine/agent/player"
	"vitrine/content/manifest"
)

// What a programme shows may ask for anything of this machine; a browser says that it isn't the page's own. A frame, an image or a script
// has no Origin that would tell.
func TestOtherSitesAreRefused(t *testing.T) {
	p := start(t, player.Config{Status: func() any { return nil }})
	for _, c := range []struct {
		site, dest string
		allowed    bool
	}{
		{"", "", true}, {"none", "document", true}, {"same-origin", "empty", true}, {"same-origin", "iframe", true},
		{"cross-site", "document", true}, // a link that a person follows
		{"cross-site", "iframe", false}, {"cross-site", "image", false}, {"cross-site", "script", false}, {"cross-site", "empty", false},
		{"same-site", "empty", false}, {"cross-site", "", false}, {"cross-site", "websocket", false},
	} {
		for _, path := range []string{"/", "/web/app.js", "/v1/status", "/v1/page"} {
			header := http.Header{}
			for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Sec-Fetch-Dest": c.dest} {
				if value != "" {
					header.Set(name, value)
				}
			}
			response := do(t, "GET", "http://"+p.Addr()+path, p.Addr(), header)
			if allowed := response.StatusCode != 403; allowed != c.allowed {
				t.Errorf("%s for %q from %q: %s", path, c.dest, c.site, response.Status)
			}
		}
	}
}

// A frame is given for what is in the programme alone, and allows that and nothing else.
func TestFrames(t *testing.T) {
	page, stream := "https://example.org/a?b=c", "https://cdn.example.net:8443/live.m3u8"
	news := "https://example.org/rss"
	p := start(t, player.Config{
		Reachable: func(_ context.Context, url string) error {
			if url == page {
				return errors.New("it forbids frames")
			}
			return nil
		},
		Feed: func(_ context.Context, url string) (any, error) { return map[string]string{"title": url}, nil },
	})
	show(t, p, newLibrary().programme("one",
		manifest.Item{Type: manifest.Web, URL: page, Seconds: 10}, manifest.Item{Type: manifest.Stream, URL: stream, Seconds: 10},
		manifest.Item{Type: manifest.Feed, URL: news, Seconds: 10},
	))
	get := func(path string, query ...string) (*http.Response, string) {
		t.Helper()
		values := url.Values{}
		for i := 0; i < len(query); i += 2 {
			values.Set(query[i], query[i+1])
		}
		response := do(t, "GET", "http://"+p.Addr()+path+"?"+values.Encode(), p.Addr(), nil)
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	const rest = "; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	for _, c := range []struct{ kind, url, policy string }{
		{"web", page, "default-src 'none'; style-src 'self'; frame-src https://example.org" + rest},
		{"stream", stream, "default-src 'none'; style-src 'self'; media-src https://cdn.example.net:8443" + rest},
		{"web", stream, ""}, {"stream", page, ""}, {"feed", news, ""}, {"web", "https://example.org/", ""}, {"", page, ""}, {"web", "", ""},
	} {
		response, body := get("/frame", "type", c.kind, "url", c.url)
		if c.policy == "" {
			if response.StatusCode != 404 {
				t.Errorf("%s of %s: %s", c.kind, c.url, response.Status)
			}
			continue
		}
		if got := response.Header.Get("Content-Security-Policy"); response.StatusCode != 200 || got != c.policy || strings.Contains(body, c.url) {
			t.Errorf("%s of %s: %s, %s\n%s", c.kind, c.url, response.Status, got, body)
		}
	}
	if response, body := get("/v1/reachable", "url", page); response.StatusCode != 502 || strings.TrimSpace(body) != "it forbids frames" {
		t.Errorf("%s: %s", response.Status, body)
	}
	if response, _ := get("/v1/reachable", "url", "https://elsewhere.example/"); response.StatusCode != 404 {
		t.Errorf("somebody else's page: %s", response.Status)
	}
	if response, body := get("/v1/feed", "url", news); response.StatusCode != 200 || body != `{"title":"`+news+`"}` {
		t.Errorf("%s: %s", response.Status, body)
	}
	if response, _ := get("/v1/feed", "url", page); response.StatusCode != 404 {
		t.Errorf("a feed that is none: %s", response.Status)
	}
}
