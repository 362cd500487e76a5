package remote

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReachable(t *testing.T) {
	release := make(chan struct{})
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(release)
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	header := func(pairs ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				w.Header().Add(pairs[i], pairs[i+1])
			}
			if r.Header.Get("Referer") != "" || r.Header.Get("Cookie") != "" {
				t.Errorf("it gives away %v", r.Header)
			}
		}
	}
	mux.HandleFunc("/good", header())
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/options", header("X-Frame-Options", "SAMEORIGIN"))
	mux.HandleFunc("/ancestors", header("Content-Security-Policy", "default-src *; Frame-Ancestors 'self' https://portal.example"))
	mux.HandleFunc("/both", header("X-Frame-Options", "DENY", "Content-Security-Policy", "frame-ancestors *"))
	mux.HandleFunc("/file", header("Content-Disposition", `attachment; filename="x"`))
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for path, want := range map[string]string{
		"/good": "", "/moved": "", "/both": "",
		"/away":    "it leads to " + elsewhere.URL,
		"/loop":    "again and again",
		"/options": "X-Frame-Options", "/ancestors": "frame-ancestors",
		"/file": "to download", "/broken": "503", "/missing": "404",
	} {
		err := Reachable(t.Context(), transport, server.URL+path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Reachable(ctx, transport, server.URL+"/silent"); err == nil || err.Error() != "its server doesn't answer" {
		t.Errorf("%v", err)
	}
	server.Close()
	if err := Reachable(t.Context(), transport, server.URL+"/good"); err == nil || strings.Contains(err.Error(), "/good") {
		t.Errorf("%v", err)
	}
}

// A transport answers requests without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

const news = `<rss><channel><title>News</title><item><title>%s</title></item></channel></rss>`

// world is a feed's server, and what was asked of it.
type world struct {
	asked  atomic.Int64
	answer atomic.Value
}

type answers = func(*http.Request) (*http.Response, error)

func (w *world) feeds(dir string) *Feeds {
	return NewFeeds(dir, transport(func(r *http.Request) (*http.Response, error) {
		w.asked.Add(1)
		return w.answer.Load().(answers)(r)
	}), time.Now, slog.New(slog.DiscardHandler))
}

// run runs feeds until the test ends the function that it gets.
func run(t *testing.T, f *Feeds) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	<-f.Ready()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func title(t *testing.T, f *Feeds, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	feed, err := f.Get(ctx, url)
	if err != nil {
		return "error: " + err.Error()
	}
	return feed.Entries[0].Title
}

// A feed is there from the first fetch on, whatever becomes of its server and of the viewer; it is asked for again, and only taken
// if there is something new.
func TestFeedsAreKept(t *testing.T) {
	const url = "https://example.org/rss"
	dir := filepath.Join(t.TempDir(), "feeds")
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.answer.Store(func(*http.Request) (*http.Response, error) {
			return answer(200, fmt.Sprintf(news, "One"), http.Header{"Etag": {`"1"`}}), nil
		})
		f := w.feeds(dir)
		stop := run(t, f)
		f.Want([]string{url, url})
		if got := title(t, f, url); got != "One" {
			t.Error(got)
		}
		file := f.path(url)
		before, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		w.answer.Store(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("If-None-Match") != `"1"` {
				t.Error("it doesn't say what it has")
			}
			return answer(304, "", nil), nil
		})
		time.Sleep(every + time.Second)
		if n := w.asked.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
			t.Error("the same was written again")
		}
		w.answer.Store(func(*http.Request) (*http.Response, error) { return answer(200, "<html>Log in</html>", nil), nil })
		time.Sleep(3 * every)
		if got := title(t, f, url); got != "One" {
			t.Error(got)
		}
		stop()

		// A viewer that starts without a network.
		f = w.feeds(dir)
		f.Want([]string{url})
		if got := title(t, f, url); got != "One" {
			t.Error(got)
		}
		defer run(t, f)()
		w.answer.Store(func(*http.Request) (*http.Response, error) { return answer(200, fmt.Sprintf(news, "Two"), nil), nil })
		time.Sleep(every + time.Second)
		if got := title(t, f, url); got != "Two" {
			t.Error(got)
		}
	})
}

// Without any news there is a reason, and the waits between tries grow.
func TestFeedThatCantBeHad(t *testing.T) {
	const url = "https://example.org/rss"
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		for name, c := range map[string]struct {
			answer func(*http.Request) (*http.Response, error)
			want   string
		}{
			"status": {func(*http.Request) (*http.Response, error) { return answer(500, "", nil), nil }, "500"},
			"endless": {func(*http.Request) (*http.Response, error) {
				resp := answer(200, "", nil)
				resp.Body = io.NopCloser(io.LimitReader(zeros{}, 1<<40))
				return resp, nil
			}, "larger than"},
			"silent": {func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}, "wasn't fetched yet"},
		} {
			w.answer.Store(c.answer)
			w.asked.Store(0)
			f := w.feeds(filepath.Join(t.TempDir(), name))
			stop := run(t, f)
			f.Want([]string{url})
			if got := title(t, f, url); !strings.Contains(got, c.want) {
				t.Errorf("%s: %s", name, got)
			}
			time.Sleep(time.Hour)
			if n := w.asked.Load(); n < 6 || n > 60 {
				t.Errorf("%s: asked %d times in an hour", name, n)
			}
			if got := title(t, f, "https://example.org/other"); !strings.Contains(got, "isn't one of the programme") {
				t.Error(got)
			}
			stop()
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// A damaged file is set aside, and the folder doesn't grow for ever.
func TestFeedsOnDisk(t *testing.T) {
	const url = "https://example.org/rss"
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.answer.Store(func(*http.Request) (*http.Response, error) { return answer(200, fmt.Sprintf(news, "One"), nil), nil })
		f := w.feeds(dir)
		if err := os.WriteFile(f.path(url), []byte(`{"url": "https://example.org/r`), 0o600); err != nil {
			t.Fatal(err)
		}
		defer run(t, f)()
		f.Want([]string{url})
		if got := title(t, f, url); got != "One" {
			t.Error(got)
		}
		if _, err := os.Stat(f.path(url) + ".damaged"); err != nil {
			t.Error(err)
		}
		for i := range 2 * keepFiles {
			path := filepath.Join(dir, fmt.Sprint(i, ".json"))
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		var urls []string
		for i := range maxFeeds + 5 {
			urls = append(urls, fmt.Sprint("https://example.org/", i))
		}
		f.Want(urls[:2])
		if got := title(t, f, urls[0]); got != "One" {
			t.Error(got)
		}
		synctest.Wait()
		files, err := os.ReadDir(dir)
		if _, stat := os.Stat(f.path(urls[0])); err != nil || stat != nil || len(files) != keepFiles {
			t.Errorf("%d files, %v, %v", len(files), err, stat)
		}
		f.Want(urls)
		if got := title(t, f, urls[maxFeeds]); !strings.Contains(got, "isn't one") {
			t.Error(got)
		}
	})
}
