package fetch_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/store"
)

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// begin leaves a part of the content in a folder, from that source.
func begin(t *testing.T, dir string, o *origin) {
	t.Helper()
	s := openStore(t, dir)
	if err := fetch.New(config()).Fetch(t.Context(), s, job(o)); err == nil {
		t.Fatal("it has come")
	}
	s.Close()
}

// What has come before a restart isn't fetched again: of the same source only if its file is still the same, of another one as it comes.
func TestResumeAfterRestart(t *testing.T) {
	gone := []step{broken(content, half, "ETag", `"v1"`), status(404)}
	for name, test := range map[string]struct {
		other   bool
		after   []step
		ranges  string
		ifRange string
	}{
		"same source":              {false, []step{honestlyAs(`"v1"`, content)}, "bytes=307200-", `"v1"`},
		"same source, other file":  {false, []step{honestlyAs(`"v2"`, content)}, "bytes=307200-", `"v1"`},
		"other source":             {true, []step{honest}, "bytes=307200-", ""},
		"other source, no ranges":  {true, []step{whole(content)}, "bytes=307200-", ""},
		"other source, wrong rest": {true, []step{partial(fmt.Sprintf("bytes %d-%d/%d", half, len(content)-1, len(content)), wrong[half:]), honest}, "bytes=307200-", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := serve(t, append(append([]step{}, gone...), test.after...)...)
			begin(t, dir, o)
			if test.other {
				o = serve(t, test.after...)
			}
			s := openStore(t, dir)
			if here := s.Partial(digest.Of(content)); here != half {
				t.Fatalf("%d bytes are kept, want %d", here, half)
			}
			told := int64(0)
			j := job(o)
			j.Progress = func(n int64) { told += n }
			if err := fetch.New(config()).Fetch(t.Context(), s, j); err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context(), j.Digest); err != nil {
				t.Error(err)
			}
			if told != j.Size-half {
				t.Errorf("progress sums to %d, want %d", told, j.Size-half)
			}
			first := o.requests()
			if !test.other {
				first = first[len(gone):]
			}
			if got := first[0]; got.Get("Range") != test.ranges || got.Get("If-Range") != test.ifRange {
				t.Errorf("Range %q, If-Range %q", got.Get("Range"), got.Get("If-Range"))
			}
			if s.Partial(j.Digest) != 0 {
				t.Error("the part is still there")
			}
		})
	}
}

// honestlyAs is honestly with another ETag.
func honestlyAs(etag string, b []byte) step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "x.bin", time.Time{}, bytes.NewReader(b))
	}
}

// The power went when all had come, and only the name was missing: nobody is asked again.
func TestCompletePart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	w, err := s.Create(name, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	w.Suspend()
	s.Close()
	s = openStore(t, dir)
	if err := fetch.New(config()).Fetch(t.Context(), s, job(serve(t))); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// A part that the disk has changed by itself costs one transfer more, and never a wrong byte.
func TestDamagedPart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	w, err := s.Create(name, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(wrong[:half]); err != nil {
		t.Fatal(err)
	}
	w.Suspend()
	if err := fetch.New(config()).Fetch(t.Context(), s, job(serve(t, honest, honest))); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// memory answers without a network, so that it runs on virtual time. It counts what each host was asked.
type memory struct {
	answer func(r *http.Request) *http.Response
	mu     sync.Mutex
	asked  map[string]int
}

func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	if m.asked == nil {
		m.asked = map[string]int{}
	}
	m.asked[r.URL.Host]++
	m.mu.Unlock()
	return m.answer(r), nil
}

func (m *memory) count(host string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[host]
}

func respond(r *http.Request, step step) *http.Response {
	w := httptest.NewRecorder()
	step(w, r)
	resp := w.Result()
	resp.Request = r
	return resp
}

// A source that has sent wrong bytes isn't asked for that file again for a minute, then two, while others are, and other files.
func TestLiarIsBarred(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, dir)
		m := &memory{answer: func(r *http.Request) *http.Response { return respond(r, whole(wrong)) }}
		f := fetch.New(fetch.Config{Transport: m, RetryWait: time.Millisecond, Retries: 1})
		j := fetch.Job{Digest: name, Size: int64(len(content)), Sources: []fetch.Source{{URL: "https://liar.example/a"}}}
		asked := 0
		for i, step := range []struct {
			wait  time.Duration
			asked bool
		}{{0, true}, {time.Second, false}, {58 * time.Second, false}, {2 * time.Second, true}, {119 * time.Second, false}, {2 * time.Second, true}} {
			<-time.After(step.wait)
			err := f.Fetch(t.Context(), s, j)
			if step.asked {
				asked++
			}
			if err == nil || m.count("liar.example") != asked || !step.asked && !strings.Contains(err.Error(), "is asked again in") {
				t.Fatalf("step %d: asked %d times, want %d; %v", i, m.count("liar.example"), asked, err)
			}
		}
		other := j
		other.Digest = digest.Of([]byte("another"))
		if err := f.Fetch(t.Context(), s, other); err == nil || m.count("liar.example") != asked+1 {
			t.Errorf("it isn't asked for another file: %v", err)
		}
	})
}

// Next to nothing is as bad as nothing: one byte a second would hold up a lane for days.
func TestTrickle(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, dir)
		m := &memory{answer: func(r *http.Request) *http.Response {
			if r.URL.Host == "good.example" {
				return respond(r, honest)
			}
			resp := respond(r, honest)
			resp.Body = &dribble{r: resp.Body, done: r.Context().Done()}
			return resp
		}}
		f := fetch.New(fetch.Config{Transport: m, RetryWait: time.Millisecond, Retries: 1})
		begun := time.Now()
		err := f.Fetch(t.Context(), s, fetch.Job{Digest: name, Size: int64(len(content)),
			Sources: []fetch.Source{{URL: "https://slow.example/a"}, {URL: "https://good.example/a"}}})
		if took := time.Since(begun); err != nil || took > 10*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A dribble gives a byte every second.
type dribble struct {
	r    io.Reader
	done <-chan struct{}
}

func (d *dribble) Read(b []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return d.r.Read(b[:1])
	case <-d.done:
		return 0, errors.New("the reader has gone")
	}
}

func (d *dribble) Close() error { return nil }

// All transfers together keep to the rate, and near ones don't count; that the line is silent while they wait is no stall.
func TestRate(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, dir)
		files := map[string][]byte{}
		m := &memory{answer: func(r *http.Request) *http.Response { return respond(r, whole(files[r.URL.Path])) }}
		const rate = 10_000
		f := fetch.New(fetch.Config{Transport: m, Rate: rate, Stall: 5 * time.Second})
		var all sync.WaitGroup
		total := 0
		begun := time.Now()
		for i := range 3 {
			b := append([]byte{byte(i)}, content...)
			files[fmt.Sprintf("/%d", i)] = b
			total += len(b)
		}
		for path, b := range files {
			all.Go(func() {
				if err := f.Fetch(t.Context(), s, fetch.Job{Digest: digest.Of(b), Size: int64(len(b)), Sources: []fetch.Source{{URL: "https://a.example" + path}}}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		// The first burst is free.
		if took, want := time.Since(begun), time.Duration(total-512<<10)*time.Second/rate; took < want || took > want+5*time.Second {
			t.Errorf("%d bytes took %v, want %v", total, took, want)
		}
		begun = time.Now()
		near := []byte("near" + string(content))
		files["/near"] = near
		if err := f.Fetch(t.Context(), s, fetch.Job{Digest: digest.Of(near), Size: int64(len(near)), Sources: []fetch.Source{{URL: "https://a.example/near", Near: true}}}); err != nil || time.Since(begun) > 0 {
			t.Errorf("near: %v after %v", err, time.Since(begun))
		}
	})
}

// A source that may hold the request is asked once, and says how far it is.
func TestLater(t *testing.T) {
	o := serve(t, status(503, "Retry-After", "1", fetch.ProgressHeader, "1234"))
	j := job(o)
	j.Sources[0].Wait = 20 * time.Second
	r := run(t, fetch.New(config()), j)
	later, ok := errors.AsType[*fetch.LaterError](r.err)
	if !ok || later.Progress != 1234 || o.requests()[0].Get("Prefer") != "wait=20" {
		t.Errorf("%v; asked %v", r.err, o.requests())
	}
}

// Came is called once, when all has come, and also if the file comes in two parts.
func TestCame(t *testing.T) {
	n := 0
	j := job(serve(t, broken(content, half), honest))
	j.Came = func() { n++ }
	if r := run(t, fetch.New(config()), j); r.err != nil || n != 1 {
		t.Errorf("called %d times; %v", n, r.err)
	}
}
