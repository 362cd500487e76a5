package player_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"vitrine/agent/player"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// do makes a request with a Host and headers of its own.
func do(t *testing.T, method, address, host string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for k, v := range header {
		r.Header[k] = v
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// A web page can make a name of its own point to 127.0.0.1, and then its browser takes the player for a part of that site. Only the
// Host header tells, so every route must refuse, whatever it would have answered.
func TestOnlyLocalNamesAreAnswered(t *testing.T) {
	p := start(t, player.Config{Status: func() any { return nil }})
	_, port, err := net.SplitHostPort(p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, host, origin string
		allowed            bool
	}{
		{"as it is", "127.0.0.1:PORT", "", true},
		{"localhost", "localhost:PORT", "", true},
		{"another loopback address", "127.9.9.9:PORT", "", true},
		{"IPv6", "[::1]:PORT", "", true},
		{"same origin", "127.0.0.1:PORT", "http://127.0.0.1:PORT", true},
		{"rebound name", "evil.example:PORT", "", false},
		{"a name that starts well", "127.0.0.1.evil.example:PORT", "", false},
		{"somebody's localhost", "localhost.evil.example:PORT", "", false},
		{"network address", "192.168.1.7:PORT", "", false},
		{"any address", "0.0.0.0:PORT", "", false},
		{"another port", "127.0.0.1:1", "", false},
		{"no port", "127.0.0.1", "", false},
		{"another site", "127.0.0.1:PORT", "http://evil.example", false},
		{"another local port", "127.0.0.1:PORT", "http://127.0.0.1:1", false},
		{"another local name", "127.0.0.1:PORT", "http://localhost:PORT", false},
		{"another scheme", "127.0.0.1:PORT", "https://127.0.0.1:PORT", false},
		{"a sandboxed frame", "127.0.0.1:PORT", "null", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{}
			if c.origin != "" {
				header.Set("Origin", strings.ReplaceAll(c.origin, "PORT", port))
			}
			for _, path := range []string{"/", "/web/app.js", "/v1/status", "/v1/page"} {
				response := do(t, "GET", "http://"+p.Addr()+path, strings.ReplaceAll(c.host, "PORT", port), header)
				if allowed := response.StatusCode != 403; allowed != c.allowed {
					t.Errorf("%s: %s", path, response.Status)
				}
			}
		})
	}
}

// A server that puts the page under a path of its own says itself whom it answers, has files of the page in the place of others, and all that
// the page is told about keeps.
func TestElsewhere(t *testing.T) {
	p := player.New(player.Config{
		Assets: newLibrary().open,
		Guard: func(r *http.Request) error {
			if r.Host != "screens.example" {
				return errors.New("not under this name")
			}
			return nil
		},
		Files: fstest.MapFS{"link.js": {Data: []byte("// another")}, "more.js": {Data: []byte("// more")}, "more.txt": {Data: []byte("no file of a page")}},
	})
	server := httptest.NewTLSServer(http.StripPrefix("/view/lobby", p.Handler()))
	defer server.Close()
	get := func(path, host string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	if response, body := get("/view/lobby/", "other.example"); response.StatusCode != 403 || !strings.Contains(body, "not under this name") {
		t.Errorf("under another name: %s %s", response.Status, body)
	}
	response, page := get("/view/lobby/", "screens.example")
	if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "wss://screens.example;") || strings.Contains(policy, "ws://") {
		t.Errorf("the policy over TLS: %s", policy)
	}
	version, files := p.Page()
	if other, _ := player.New(player.Config{}).Page(); !strings.Contains(page, version) || other == version {
		t.Errorf("version %s beside %s", version, other)
	}
	if !slices.Contains(files, "more.js") || slices.Contains(files, "more.txt") {
		t.Errorf("files %v", files)
	}
	for path, want := range map[string]string{"web/link.js": "// another", "web/more.js": "// more"} {
		if _, body := get("/view/lobby/"+path, "screens.example"); body != want {
			t.Errorf("%s: %s", path, body)
		}
	}
}

func TestPageIsConfined(t *testing.T) {
	p := start(t, player.Config{})
	policy := do(t, "GET", "http://"+p.Addr()+"/", p.Addr(), nil).Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "media-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
		t.Errorf("the policy is too wide: %s", policy)
	}
	for _, path := range []string{"/web/", "/web/missing.js", "/web/..%2fplayer.go", "/index.html", "/v1/status", "/x"} {
		if response := do(t, "GET", "http://"+p.Addr()+path, p.Addr(), nil); response.StatusCode != 404 {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
}

func TestMethods(t *testing.T) {
	p := start(t, player.Config{Status: func() any { return nil }})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		for _, path := range []string{"/", "/v1/status", "/v1/page", "/nothing"} {
			response := do(t, method, "http://"+p.Addr()+path, p.Addr(), nil)
			if response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %s, Allow %q", method, path, response.Status, response.Header.Get("Allow"))
			}
		}
	}
	if response := do(t, "HEAD", "http://"+p.Addr()+"/", p.Addr(), nil); response.StatusCode != 200 {
		t.Errorf("HEAD /: %s", response.Status)
	}
}

// A browser asks each time whether its copy is still good, so that an updated agent never runs with half of an old page.
func TestPageFilesAreRevalidated(t *testing.T) {
	p := start(t, player.Config{})
	for path, mimeType := range map[string]string{
		"/":               "text/html; charset=utf-8",
		"/web/app.js":     "text/javascript; charset=utf-8",
		"/web/screen.css": "text/css; charset=utf-8",
		"/web/icon.svg":   "image/svg+xml",
	} {
		first := do(t, "GET", "http://"+p.Addr()+path, p.Addr(), nil)
		body, err := io.ReadAll(first.Body)
		if err != nil || first.StatusCode != 200 || first.Header.Get("Content-Type") != mimeType || first.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %s, %v, %v", path, first.Status, first.Header, err)
		}
		if strings.Contains(string(body), "{{") {
			t.Errorf("%s: a place to fill in was left", path)
		}
		again := do(t, "GET", "http://"+p.Addr()+path, p.Addr(), http.Header{"If-None-Match": {first.Header.Get("ETag")}})
		if again.StatusCode != 304 {
			t.Errorf("%s with its ETag %s: %s", path, first.Header.Get("ETag"), again.Status)
		}
	}
}

func TestAssets(t *testing.T) {
	l := newLibrary()
	picture, film := l.picture(t, red), l.film(t)
	page := l.add("page.html", "text/html", []byte("<script>alert(1)</script>"))
	p := start(t, player.Config{Assets: l.open})
	address := "http://" + p.Addr() + "/assets/"
	if response := do(t, "GET", address+picture.String(), p.Addr(), nil); response.StatusCode != 404 {
		t.Errorf("before it is in a programme: %s", response.Status)
	}
	show(t, p, l.programme("one"))
	stray := l.picture(t, green)
	for _, c := range []struct {
		name, path string
		status     int
	}{
		{"picture", picture.String(), 200},
		{"video", film.String(), 200},
		{"not a picture", page.String(), 404},
		{"on the disk, and in no programme", stray.String(), 404},
		{"upper case", strings.ToUpper(picture.String()), 404},
		{"no digest", "sha256:00", 404},
		{"a path", "..%2f..%2fetc%2fpasswd", 404},
	} {
		response := do(t, "GET", address+c.path, p.Addr(), nil)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != c.status {
			t.Errorf("%s: %s, %v", c.name, response.Status, err)
		}
		if c.status == 200 && digest.Of(body).String() != c.path {
			t.Errorf("%s: %d bytes, and not those asked for", c.name, len(body))
		}
	}
	response := do(t, "GET", address+film.String(), p.Addr(), http.Header{"Range": {"bytes=4-9"}})
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 206 || string(body) != string(l.files[film][4:10]) {
		t.Errorf("range: %s, %q, %v", response.Status, body, err)
	}
}

func TestAssetHeaders(t *testing.T) {
	l := newLibrary()
	drawing := l.add("mark.svg", "image/svg+xml; charset=utf-8", []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"))
	gone := l.picture(t, blue)
	l.remove(gone)
	p := start(t, player.Config{Assets: l.open})
	show(t, p, l.programme("one"))

	response := do(t, "GET", "http://"+p.Addr()+"/assets/"+drawing.String(), p.Addr(), nil)
	for name, want := range map[string]string{
		"Content-Type":            "image/svg+xml",
		"ETag":                    `"` + drawing.String() + `"`,
		"Cache-Control":           "private, max-age=31536000, immutable",
		"X-Content-Type-Options":  "nosniff",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", // a drawing may hold a script
	} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if response := do(t, "GET", "http://"+p.Addr()+"/assets/"+gone.String(), p.Addr(), nil); response.StatusCode != 404 {
		t.Errorf("not on the disk: %s", response.Status)
	}
}

// A page that is about to turn to a new programme still plays the old one.
func TestAssetsOfTheProgrammeBefore(t *testing.T) {
	l := newLibrary()
	picture := l.picture(t, red)
	p := start(t, player.Config{Assets: l.open})
	show(t, p, l.programme("one"))
	later := l.programme("two")
	later.Manifest.Assets = map[digest.Digest]manifest.Asset{}
	show(t, p, later)
	show(t, p, later) // the same again, which must not push the first one out
	address := "http://" + p.Addr() + "/assets/" + picture.String()
	if response := do(t, "GET", address, p.Addr(), nil); response.StatusCode != 200 {
		t.Errorf("one programme later: %s", response.Status)
	}
	later.Generation = digest.Of([]byte("three"))
	show(t, p, later)
	if response := do(t, "GET", address, p.Addr(), nil); response.StatusCode != 404 {
		t.Errorf("two programmes later: %s", response.Status)
	}
}

func TestAssetThatCantBeRead(t *testing.T) {
	l := newLibrary()
	picture := l.picture(t, red)
	p := start(t, player.Config{Assets: func(digest.Digest) (io.ReadSeekCloser, error) { return nil, errors.New("disk broken: /var/secret") }})
	show(t, p, l.programme("one"))
	response := do(t, "GET", "http://"+p.Addr()+"/assets/"+picture.String(), p.Addr(), nil)
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 500 || strings.Contains(string(body), "secret") {
		t.Errorf("%s, %q, %v", response.Status, body, err)
	}
}

// A task that has ended may be run again, and what Listen has opened Close gives back.
func TestRunAgainAndClose(t *testing.T) {
	p := player.New(player.Config{Addr: "127.0.0.1:0"})
	for range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		<-p.Ready()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", p.Addr())
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	l.Close()
}

func TestListenRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, c := range map[string]struct{ addr, want string }{
		"all addresses":   {"0.0.0.0:7238", "loopback"},
		"no address":      {":7238", "loopback"},
		"network address": {"192.168.1.7:7238", "loopback"},
		"a name":          {"signage.example:7238", "loopback"},
		"no port":         {"127.0.0.1", "missing port"},
		"taken":           {taken.Addr().String(), "is another viewer running?"},
	} {
		t.Run(name, func(t *testing.T) {
			err := player.New(player.Config{Addr: c.addr}).Run(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	p := start(t, player.Config{Status: func() any { return map[string]string{"name": "lobby"} }})
	response := do(t, "GET", "http://"+p.Addr()+"/v1/status", p.Addr(), nil)
	body, err := io.ReadAll(response.Body)
	if err != nil || response.Header.Get("Content-Type") != "application/json" || !strings.Contains(string(body), `"name": "lobby"`) {
		t.Errorf("%s, %s, %v", response.Status, body, err)
	}
	broken := start(t, player.Config{Status: func() any { return func() {} }})
	if response := do(t, "GET", "http://"+broken.Addr()+"/v1/status", broken.Addr(), nil); response.StatusCode != 500 {
		t.Errorf("what isn't JSON: %s", response.Status)
	}
}
