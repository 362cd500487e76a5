package library_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/manifest"
	"vitrine/content/store"
	"vitrine/platform/disk"
)

var siteKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// sign names and signs a manifest.
func sign(document []byte) library.Ref {
	return library.Ref{Digest: digest.Of(document), Size: int64(len(document)), Signature: manifest.Sign(siteKey, document)}
}

// compose makes a manifest that shows pictures with these contents.
func compose(id string, pictures ...string) []byte {
	m := &manifest.Manifest{Version: 1, ID: id, Issued: time.Unix(1e9, 0).UTC(), Assets: map[digest.Digest]manifest.Asset{}}
	zone := manifest.Zone{ID: "z", W: 100, H: 100}
	for _, p := range pictures {
		d := digest.Of([]byte(p))
		m.Assets[d] = manifest.Asset{Size: int64(len(p)), Type: "image/png", Name: "picture " + p[:1]}
		zone.Playlist = append(zone.Playlist, manifest.Item{Type: manifest.Image, Asset: d, Seconds: 1})
	}
	m.Presentations = map[string]manifest.Presentation{"p": {Zones: []manifest.Zone{zone}}}
	m.Schedule.Default = "p"
	data, err := manifest.Marshal(m)
	if err != nil {
		panic(err)
	}
	return data
}

// A site is a server in memory: it runs on the virtual time of a test as well.
type site struct {
	mu    sync.Mutex
	files map[digest.Digest][]byte
	held  map[digest.Digest]bool
	// slow files come in pieces, one every 29 seconds.
	slow     map[digest.Digest]bool
	requests []string
	left     []string // requests that were held until their client went away
}

// publish puts a manifest and its pictures on the server.
func (s *site) publish(id string, pictures ...string) library.Ref {
	for _, p := range pictures {
		s.put(digest.Of([]byte(p)), p)
	}
	document := compose(id, pictures...)
	s.put(digest.Of(document), string(document))
	return sign(document)
}

func (s *site) put(d digest.Digest, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files, s.held = map[digest.Digest][]byte{}, map[digest.Digest]bool{}
	}
	s.files[d] = []byte(content)
}

// remove takes something off the server.
func (s *site) remove(content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, digest.Of([]byte(content)))
}

// asked is how often something was asked for.
func (s *site) asked(d digest.Digest) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if path.Base(r) == d.String() {
			n++
		}
	}
	return n
}

// assetsAsked is how many assets were asked for.
func (s *site) assetsAsked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(s.requests), func(r string) bool { return !strings.HasPrefix(r, "/v1/assets/") }))
}

// RoundTrip answers a request without any network.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	d, err := digest.Parse(path.Base(r.URL.Path))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.requests = append(s.requests, r.URL.Path)
	content, ok := s.files[d]
	held, slow := s.held[d], s.slow[d]
	s.mu.Unlock()
	if held {
		<-r.Context().Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.left = append(s.left, r.URL.Path)
		return nil, r.Context().Err()
	}
	w := httptest.NewRecorder()
	if ok {
		w.Header().Set("ETag", `"`+d.String()+`"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	} else {
		http.Error(w, "not here", http.StatusNotFound)
	}
	resp := w.Result()
	resp.Request = r
	if slow {
		resp.Body = &slowBody{ctx: r.Context(), left: w.Body.Bytes()}
	}
	return resp, nil
}

// A slowBody gives 70 KiB every 29 seconds.
type slowBody struct {
	ctx  context.Context
	left []byte
}

func (b *slowBody) Read(p []byte) (int, error) {
	if len(b.left) == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(29 * time.Second):
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	n := copy(p, b.left[:min(len(b.left), 70<<10)])
	b.left = b.left[n:]
	return n, nil
}

func (*slowBody) Close() error { return nil }

// A viewer is a library at work, and what it has told.
type viewer struct {
	*library.Library
	store *store.Store
	stop  func()

	mu        sync.Mutex
	offline   bool
	refuse    error
	activated []string
	faults    []error
	progress  []library.Progress
}

// A sizedDisk has as much room as a test says.
type sizedDisk struct {
	disk.OS
	free func(string) (int64, error)
}

func (d sizedDisk) Space(path string) (free, total int64, err error) {
	free, err = d.free(path)
	return free, 1e9, err
}

var activatedAt = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// start runs a library on dir. free is nil for a disk without end.
func start(t *testing.T, dir string, s *site, offline bool, free func(string) (int64, error)) *viewer {
	t.Helper()
	c := store.Config{}
	if free != nil {
		c.FS = sizedDisk{free: free}
	}
	return startOn(t, dir, c, s, offline)
}

// startOn runs a library on a store, with what a test changes of its configuration.
func startOn(t *testing.T, dir string, sc store.Config, s *site, offline bool, changes ...func(*library.Config)) *viewer {
	t.Helper()
	opened, err := store.Open(dir, sc)
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{store: opened, offline: offline}
	c := library.Config{
		Store:   opened,
		Fetcher: fetch.New(fetch.Config{Transport: s, RetryWait: time.Millisecond, Retries: 1}),
		Key:     func() ed25519.PublicKey { return siteKey.Public().(ed25519.PublicKey) },
		Bases:   v.bases,
		Accept: func(m *manifest.Manifest) error {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.refuse
		},
		Activated: func(a library.Active) { note(v, &v.activated, a.Manifest.ID) },
		Progress:  func(p library.Progress) { note(v, &v.progress, p) },
		Fault:     func(err error) { note(v, &v.faults, err) },
		Now:       func() time.Time { return activatedAt },
	}
	for _, change := range changes {
		change(&c)
	}
	v.Library = library.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	v.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-done, opened.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(v.stop)
	<-v.Ready()
	synctest.Wait()
	return v
}

func note[T any](v *viewer, list *[]T, x T) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*list = append(*list, x)
}

func (v *viewer) bases() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.offline {
		return nil
	}
	return []string{"https://server.example"}
}

// want wants a generation and waits until nothing moves any more.
func (v *viewer) want(r library.Ref) {
	v.Want(r)
	synctest.Wait()
}

// check looks at what plays, and at the last fault: "" is none.
func (v *viewer) check(t *testing.T, id, fault string) {
	t.Helper()
	a, ok := v.Active()
	if ok != (id != "") || ok && a.Manifest.ID != id {
		t.Errorf("plays %+v, want %q", a.Manifest, id)
	}
	if ok {
		whole(t, v.store, a.Manifest)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.activated) > 0 && v.activated[len(v.activated)-1] != id {
		t.Errorf("activated %v, want %q in the end", v.activated, id)
	}
	var last error
	if len(v.faults) > 0 {
		last = v.faults[len(v.faults)-1]
	}
	if (last != nil) != (fault != "") || last != nil && !strings.Contains(last.Error(), fault) {
		t.Errorf("fault %v, want %q", last, fault)
	}
}

func (v *viewer) faultCount() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.faults)
}

// lastFault is what was told last; nil is that all is well, or that nothing was told.
func (v *viewer) lastFault() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) == 0 {
		return nil
	}
	return v.faults[len(v.faults)-1]
}

// whole checks every byte of a programme.
func whole(t *testing.T, s *store.Store, m *manifest.Manifest) {
	t.Helper()
	for _, d := range m.Used() {
		if err := s.Verify(t.Context(), d); err != nil {
			t.Errorf("programme %s: %v", m.ID, err)
		}
	}
}

func (v *viewer) has(content string) bool {
	return v.store.Has(digest.Of([]byte(content)), int64(len(content)))
}

// generations are the manifests that the store remembers.
func (v *viewer) generations() string {
	current, _ := v.store.Current()
	previous, _ := v.store.Previous()
	return fmt.Sprint(current.Manifest.Short(), " ", previous.Manifest.Short())
}

func generations(current, previous library.Ref) string {
	return fmt.Sprint(current.Digest.Short(), " ", previous.Digest.Short())
}

// byHost is several servers in memory.
type byHost map[string]http.RoundTripper

func (h byHost) RoundTrip(r *http.Request) (*http.Response, error) { return h[r.URL.Host].RoundTrip(r) }
