package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vitrine/content/fetch"
	"vitrine/content/store"
	"vitrine/platform/disk"
)

const half = 300 << 10

func TestFetch(t *testing.T) {
	etag := `"` + name.String() + `"`
	size := len(content)
	noRange := func(w http.ResponseWriter, r *http.Request) { r.Header.Del("Range"); honest(w, r) }
	for _, test := range []struct {
		name string
		// origins are the scripts of the sources, in order; each must be used up.
		origins [][]step
		// err must be in the error; "" means success.
		err string
	}{
		{"at once", [][]step{{honest}}, ""},
		{"without a length", [][]step{{whole(content)}}, ""},
		{"not there", [][]step{{status(404)}}, "404"},
		{"not there, but elsewhere", [][]step{{status(404)}, {honest}}, ""},
		{"error, then right", [][]step{{status(500), honest}}, ""},
		{"errors only", [][]step{{status(500), status(503), status(502)}}, "502"},
		{"not implemented", [][]step{{status(501)}}, "501"},
		{"wait a day", [][]step{{status(429, "Retry-After", "86400")}, {honest}}, ""},
		{"wait a day, nowhere else", [][]step{{status(503, "Retry-After", "86400")}}, "503"},
		{"wait until a date", [][]step{{status(429, "Retry-After", "Fri, 01 Jan 2999 00:00:00 GMT")}}, "429"},
		{"wait longer than numbers go", [][]step{{status(429, "Retry-After", "99999999999")}}, "429"},
		{"wait for ever", [][]step{{status(429, "Retry-After", strings.Repeat("9", 40))}}, "429"},
		{"nonsense to wait for", [][]step{{status(429, "Retry-After", "-5"), status(429, "Retry-After", "soon"), honest}}, ""},
		{"breaks off", [][]step{{broken(content, half), honest}}, ""},
		{"breaks off often", [][]step{{broken(content, 1000), honest}}, ""},
		{"breaks off at once, for ever", [][]step{{broken(content, 0), broken(content, 0), broken(content, 0)}}, "EOF"},
		{"breaks off, and is gone", [][]step{{broken(content, half), status(404)}, {honest}}, ""},
		{"breaks off, and is busy", [][]step{{broken(content, half), status(503, "Retry-After", "999")}, {honest}}, ""},
		{"ignores ranges", [][]step{{broken(content, half), noRange}}, ""},
		{"another part, too early", [][]step{{broken(content, half), partial("bytes 0-"+fmt.Sprint(size-1)+"/"+fmt.Sprint(size), content)}}, "another part"},
		{"another part, of another file", [][]step{{broken(content, half), partial(fmt.Sprintf("bytes %d-%d/%d", half, size-1, size+1), content[half:])}}, "another part"},
		{"another part, no range", [][]step{{broken(content, half), partial("", content[half:])}}, "another part"},
		{"part that nobody asked for", [][]step{{partial(fmt.Sprintf("bytes 5-%d/%d", size-1, size), content[5:])}}, "another part"},
		{"range not satisfiable", [][]step{{broken(content, half), status(416), honest}}, ""},
		{"range not satisfiable, and then gone", [][]step{{broken(content, half), status(416), status(404)}}, "404"},
		{"range not satisfiable, but elsewhere", [][]step{{broken(content, half), status(416)}, {honest}}, ""},
		{"wrong bytes", [][]step{{whole(wrong)}}, "wrong bytes"},
		{"wrong bytes, then right", [][]step{{whole(wrong)}, {honest}}, ""},
		{"wrong bytes everywhere", [][]step{{whole(wrong)}, {honestly(wrong)}}, "wrong bytes"},
		// The second source is honest but completes what the first one began: it must get a chance of its own.
		{"wrong part, then right", [][]step{{broken(wrong, half), status(404)}, {honest, honest}}, ""},
		{"wrong part and wrong rest", [][]step{{broken(wrong, half), status(404)}, {honestly(wrong), honestly(wrong)}, {honest}}, ""},
		{"too many announced", [][]step{{whole(append(content[:size:size], 'x'), "Content-Length", fmt.Sprint(size+1))}}, "too many bytes"},
		{"too many, not announced", [][]step{{whole(append(content[:size:size], 'x'))}}, "too many bytes"},
		{"too many, then right", [][]step{{whole(append(content[:size:size], 'x'))}, {honest}}, ""},
		{"too few announced", [][]step{{whole(content[:size-1], "Content-Length", fmt.Sprint(size-1))}}, "too few bytes"},
		{"too few, not announced", [][]step{{whole(content[:size-1]), status(416), whole(content[:size-1]), status(416)}}, "416"},
		{"too few, then right", [][]step{{whole(content[:size-1]), status(416)}, {honest}}, ""},
		{"web page", [][]step{{whole([]byte("<html>log in"), "Content-Type", "text/html; charset=utf-8")}}, "web page"},
		{"web page while resuming", [][]step{{broken(content, half), whole([]byte("<html>"), "Content-Type", "text/html")}, {honest}}, ""},
		{"gzip", [][]step{{whole(content, "Content-Encoding", "gzip")}}, "gzip"},
		{"stalls, then resumes", [][]step{{stall(content, half), honest}}, ""},
		{"stalls at once, for ever", [][]step{{stall(content, 0), stall(content, 0), stall(content, 0)}}, "nothing more came"},
		{"stalls after the last byte", [][]step{{func(w http.ResponseWriter, r *http.Request) {
			w.Write(content)
			http.NewResponseController(w).Flush()
			<-r.Context().Done() // the end of a chunked body never comes
		}}}, ""},
		{"breaks off after the last byte", [][]step{{func(w http.ResponseWriter, r *http.Request) {
			w.Write(content)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // before the end of a chunked body
		}}}, ""},
		{"endless", [][]step{{endless(content)}}, "too many bytes"},
		{"endless, then right", [][]step{{endless(wrong)}, {honest}}, ""},
		{"the same ETag as ours", [][]step{{broken(content, half, "ETag", etag), honest}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var origins []*origin
			for _, steps := range test.origins {
				origins = append(origins, serve(t, steps...))
			}
			r := run(t, fetch.New(config()), job(origins...))
			switch {
			case test.err == "" && r.err != nil:
				t.Errorf("failed: %v", r.err)
			case test.err != "" && (r.err == nil || !strings.Contains(r.err.Error(), test.err)):
				t.Errorf("%v, want an error with %q", r.err, test.err)
			}
			for i, o := range origins {
				if n := len(o.requests()); n != len(o.steps) {
					t.Errorf("source %d had %d requests, want %d", i+1, n, len(o.steps))
				}
				host := strings.TrimPrefix(o.URL, "http://")
				if r.err != nil && !strings.Contains(r.err.Error(), host) {
					t.Errorf("the error doesn't name %s: %v", host, r.err)
				}
			}
		})
	}
}

// A resumed transfer asks for the rest alone, on condition that the file is still the same.
func TestResume(t *testing.T) {
	for ours, etag := range map[string]string{"": "", `"cdn-17"`: `"cdn-17"`, `W/"weak"`: ""} {
		t.Run(ours, func(t *testing.T) {
			sent := 0
			o := serve(t, broken(content, half, "ETag", ours), func(w http.ResponseWriter, r *http.Request) {
				rest := content[half:]
				sent = len(rest)
				partial(fmt.Sprintf("bytes %d-%d/%d", half, len(content)-1, len(content)), rest)(w, r)
			})
			if r := run(t, fetch.New(config()), job(o)); r.err != nil {
				t.Fatal(r.err)
			}
			first, second := o.requests()[0], o.requests()[1]
			if first.Get("Range") != "" || first.Get("If-Range") != "" || first.Get("Accept-Encoding") != "identity" {
				t.Errorf("first request: %v", first)
			}
			if got := second.Get("Range"); got != fmt.Sprintf("bytes=%d-", half) {
				t.Errorf("Range: %s", got)
			}
			if got := second.Get("If-Range"); got != etag {
				t.Errorf("If-Range: %s, want %s", got, etag)
			}
			if sent != len(content)-half {
				t.Errorf("%d bytes were sent again", sent)
			}
		})
	}
}

// What one source has brought before it went away for good isn't fetched again from the next.
func TestNextSourceContinues(t *testing.T) {
	gone, o := serve(t, broken(content, half)), serve(t, honest)
	f := fetch.New(fetch.Config{RetryWait: time.Millisecond, Retries: 1, Transport: transport(func(r *http.Request) (*http.Response, error) {
		if len(gone.requests()) > 0 && "http://"+r.URL.Host == gone.URL {
			return nil, errors.New("connection refused")
		}
		return http.DefaultTransport.RoundTrip(r)
	})})
	if r := run(t, f, job(gone, o)); r.err != nil {
		t.Fatal(r.err)
	}
	if got := o.requests()[0].Get("Range"); got != fmt.Sprintf("bytes=%d-", half) {
		t.Errorf("the second source was asked for %q", got)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	o := serve(t, status(429, "Retry-After", "1"), honest)
	if r := run(t, fetch.New(config()), job(o)); r.err != nil {
		t.Fatal(r.err)
	}
	if waited := o.at[1].Sub(o.at[0]); waited < 900*time.Millisecond {
		t.Errorf("waited %v", waited)
	}
}

// An error whose text never ends must not hold up the retry: nobody wants to read it.
func TestErrorThatStalls(t *testing.T) {
	t.Parallel()
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		stall(content, 10)(w, r)
	}, honest)
	if r := run(t, fetch.New(config()), job(o)); r.err != nil {
		t.Fatal(r.err)
	}
}

func TestRedirects(t *testing.T) {
	plain := serve(t, honest)
	asked := 0
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch r.URL.Path {
		case "/plain":
			http.Redirect(w, r, plain.url(), http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop?token=secret", http.StatusFound)
		case "/good":
			http.Redirect(w, r, "/asset", http.StatusFound)
		default:
			honest(w, r)
		}
	}))
	defer secure.Close()
	c := config()
	c.Transport = secure.Client().Transport
	for path, test := range map[string]struct {
		err   string
		asked int
	}{"/plain": {"away from https", 1}, "/loop": {"too many", 5}, "/good": {"", 2}} {
		j := job()
		j.Sources = []fetch.Source{{URL: secure.URL + path + "?token=secret"}}
		asked = 0
		r := run(t, fetch.New(c), j)
		if test.err == "" && r.err != nil || test.err != "" && (r.err == nil || !strings.Contains(r.err.Error(), test.err)) {
			t.Errorf("%s: %v, want %q", path, r.err, test.err)
		}
		if asked != test.asked {
			t.Errorf("%s: %d requests, want %d", path, asked, test.asked)
		}
	}
	if n := len(plain.requests()); n != 0 {
		t.Errorf("the place without https had %d requests", n)
	}
}

func TestCancel(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	o := serve(t, stall(content, half))
	sum := int64(0)
	j := job(o, serve(t)) // the second one must not be asked
	j.Progress = func(n int64) {
		if sum += n; sum == half {
			cancel()
		}
	}
	f := fetch.New(fetch.Config{})
	if err := f.Fetch(ctx, s, j); !errors.Is(err, context.Canceled) || sum != half || s.Partial(name) != half {
		t.Errorf("%v; progress sums to %d", err, sum)
	}
}

func TestNoSourceAndNoRoom(t *testing.T) {
	if r := run(t, fetch.New(config()), job()); r.err == nil || !strings.Contains(r.err.Error(), "no server") {
		t.Errorf("no source: %v", r.err)
	}
	j := job()
	j.Sources = []fetch.Source{{URL: "https://[bad?token=secret"}}
	if r := run(t, fetch.New(config()), j); r.err == nil {
		t.Error("a bad address brought something")
	}
	s, err := store.Open(t.TempDir(), store.Config{FS: fullDisk{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = fetch.New(config()).Fetch(t.Context(), s, job(serve(t)))
	if _, ok := errors.AsType[*store.SpaceError](err); !ok {
		t.Errorf("no room: %v", err)
	}
}

// A fullDisk has no room.
type fullDisk struct{ disk.OS }

func (fullDisk) Space(string) (free, total int64, err error) { return store.MinReserve, 1e9, nil }
