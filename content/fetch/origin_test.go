package fetch_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/store"
)

// content is large enough for several reads, and no two parts of it are alike.
var content = func() []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 600<<10; i++ {
		fmt.Fprintf(&b, "%07d\n", i)
	}
	return b.Bytes()
}()

var name = digest.Of(content)

// wrong is as long as content.
var wrong = bytes.Repeat([]byte("x"), len(content))

// A step answers one request.
type step func(w http.ResponseWriter, r *http.Request)

// An origin is a server that follows a script, a step for each request; further requests are a failure of the test.
type origin struct {
	*httptest.Server
	t     *testing.T
	mu    sync.Mutex
	steps []step
	heads []http.Header
	at    []time.Time
}

func serve(t *testing.T, steps ...step) *origin {
	t.Helper()
	o := &origin{t: t, steps: steps}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	n := len(o.heads)
	o.heads = append(o.heads, r.Header.Clone())
	o.at = append(o.at, time.Now())
	o.mu.Unlock()
	if n >= len(o.steps) {
		o.t.Errorf("request %d is not in the script: %v", n+1, r.Header)
		w.WriteHeader(http.StatusGone)
		return
	}
	o.steps[n](w, r)
}

// requests are the headers so far.
func (o *origin) requests() []http.Header {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.heads
}

// url has a query that must never be seen.
func (o *origin) url() string { return o.URL + "/v1/assets/" + name.String() + "?token=secret" }

// honest is what our server does: a strong ETag, and ranges.
func honest(w http.ResponseWriter, r *http.Request) { honestly(content)(w, r) }

func honestly(b []byte) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+name.String()+`"`)
		http.ServeContent(w, r, "x.bin", time.Time{}, bytes.NewReader(b))
	}
}

func status(code int, headers ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// broken sends b up to a place, with the length of all of it, and breaks off.
func broken(b []byte, upTo int, headers ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		status(http.StatusOK, headers...)(w, r)
		w.Write(b[:upTo])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// whole sends b as it is, with these headers.
func whole(b []byte, headers ...string) step {
	return func(w http.ResponseWriter, r *http.Request) {
		status(http.StatusOK, headers...)(w, r)
		w.Write(b)
	}
}

// partial answers 206 with a Content-Range of its choice.
func partial(contentRange string, b []byte) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(b)
	}
}

// stall sends b up to a place and then nothing, until the client goes.
func stall(b []byte, upTo int) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Write(b[:upTo])
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

// endless sends b for ever.
func endless(b []byte) step {
	return func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
}

// A result is how a fetch ended.
type result struct {
	store    *store.Store
	err      error
	progress int64
	least    int64
}

func config() fetch.Config {
	return fetch.Config{Stall: 200 * time.Millisecond, RetryWait: time.Millisecond, Retries: 2}
}

func job(sources ...*origin) fetch.Job {
	j := fetch.Job{Digest: name, Size: int64(len(content)), Type: "video/mp4"}
	for _, o := range sources {
		j.Sources = append(j.Sources, fetch.Source{URL: o.url()})
	}
	return j
}

// run fetches, and checks what is true of every fetch.
func run(t *testing.T, f *fetch.Fetcher, j fetch.Job) result {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r := result{store: s}
	j.Progress = func(n int64) {
		r.progress += n
		r.least = min(r.least, r.progress)
	}
	r.err = f.Fetch(t.Context(), s, j)
	checkOutcome(t, dir, r, j)
	return r
}

func checkOutcome(t *testing.T, dir string, r result, j fetch.Job) {
	t.Helper()
	want := r.store.Partial(j.Digest)
	if r.err == nil {
		want = j.Size
		if err := errors.Join(r.store.Verify(t.Context(), j.Digest)); err != nil {
			t.Errorf("stored: %v", err)
		}
	} else if r.store.Has(j.Digest, j.Size) {
		t.Error("it failed, and yet it is there")
	}
	if r.progress != want || r.least < 0 {
		t.Errorf("progress sums to %d, want %d; the least was %d", r.progress, want, r.least)
	}
	left, err := os.ReadDir(filepath.Join(dir, "incoming"))
	if err != nil || len(left) != 0 && (r.err == nil || len(left) != 2 || r.store.Partial(j.Digest) == 0) {
		t.Errorf("left in incoming: %v, %v", left, err) // but for what a later fetch can go on with
	}
	if r.err != nil && (strings.Contains(r.err.Error(), "secret") || strings.Contains(r.err.Error(), "token")) {
		t.Errorf("the error has the query of the address: %v", r.err)
	}
}
