package peer_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/peer"
)

func newReader(s string) io.Reader { return strings.NewReader(s) }

// fetchFrom fetches an asset from the sources of a share.
func (v *viewer) fetchFrom(s library.Share, d digest.Digest, size int) error {
	return v.fetcher.Fetch(v.t.Context(), v.store, fetch.Job{Digest: d, Size: int64(size), Sources: s.Sources(d)})
}

// What one has the others get, and whose turn it is all agree on.
func TestHoldersAndTurns(t *testing.T) {
	a := newAuthority(t)
	var all []*viewer
	for i := range 4 {
		all = append(all, newViewer(t, a, fmt.Sprintf("viewer %d", i), nil))
	}
	meet(all...)
	here := all[2].put("content")
	var nobody []digest.Digest
	for i := range 200 {
		nobody = append(nobody, digest.Of([]byte{byte(i)}))
	}
	turns := map[digest.Digest]int{}
	for _, v := range all {
		s := v.share(append(slices.Clone(nobody), here)...)
		defer s.End()
		for _, d := range nobody {
			sources := s.Sources(d)
			if len(sources) == 0 {
				turns[d]++
			}
			for _, source := range sources {
				if !source.Near || source.Wait == 0 {
					t.Fatalf("source %+v", source)
				}
			}
		}
		if v != all[2] {
			if err := v.fetchFrom(s, here, 7); err != nil || !v.store.Has(here, 7) {
				t.Errorf("%s: %v", v.name, err)
			}
		}
	}
	for d, n := range turns {
		if n != 1 {
			t.Errorf("%s is the turn of %d viewers", d.Short(), n)
		}
	}
	if len(turns) != len(nobody) {
		t.Errorf("%d of %d have somebody whose turn it is", len(turns), len(nobody))
	}
}

// pair is a viewer whose turn it is to fetch d from outside, and one that waits for it.
func pair(t *testing.T, change func(*peer.Config)) (first, second *viewer, d digest.Digest) {
	t.Helper()
	a := newAuthority(t)
	first, second = newViewer(t, a, "first", change), newViewer(t, a, "second", change)
	meet(first, second)
	probe := second.share()
	defer probe.End()
	for i := 0; ; i++ {
		content := fmt.Sprint("content ", i)
		if d = digest.Of([]byte(content)); len(probe.Sources(d)) == 1 {
			waiting[d] = content
			return first, second, d
		}
	}
}

// waiting has what was chosen by pair.
var waiting = map[digest.Digest]string{}

// Who asks for what is on its way waits, has it come first, and gets it as soon as it is there; or is told that it won't come.
func TestHeld(t *testing.T) {
	for name, test := range map[string]struct {
		then   func(first *viewer, s library.Share, d digest.Digest)
		status int
	}{
		"it comes": {func(first *viewer, s library.Share, d digest.Digest) {
			first.put(waiting[d])
			s.Done(d, true)
		}, http.StatusOK},
		"it can't be had":      {func(_ *viewer, s library.Share, d digest.Digest) { s.Done(d, false) }, http.StatusNotFound},
		"the fetch has ended":  {func(_ *viewer, s library.Share, d digest.Digest) { s.End() }, http.StatusNotFound},
		"it takes longer":      {func(_ *viewer, s library.Share, d digest.Digest) { s.Came(4321) }, http.StatusServiceUnavailable},
		"another has ended it": {func(_ *viewer, s library.Share, d digest.Digest) {}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			first, second, d := pair(t, nil)
			demanded := make(chan digest.Digest, 1)
			s := first.Share(t.Context(), []digest.Digest{d}, func(d digest.Digest) { demanded <- d })
			defer s.End()
			mine := second.share(d)
			defer mine.End()
			url := mine.Sources(d)[0].URL
			var asking sync.WaitGroup
			asking.Go(func() {
				resp, body := second.get(url, "Prefer", "wait=1")
				if resp.StatusCode != test.status || test.status == http.StatusOK && body != waiting[d] {
					t.Errorf("%s: %s", resp.Status, body)
				}
				if name == "it takes longer" && resp.Header.Get(fetch.ProgressHeader) != "4321" {
					t.Errorf("head %v", resp.Header)
				}
			})
			if got := <-demanded; got != d {
				t.Errorf("%v is demanded", got)
			}
			test.then(first, s, d)
			asking.Wait()
		})
	}
}

// Too many at once are asked to come again, and what nobody has is said at once.
func TestBusyAndMissing(t *testing.T) {
	block, begun := make(chan struct{}), make(chan struct{}, 1)
	first, second, d := pair(t, func(c *peer.Config) {
		c.Slots = 1
		inner := c.Open
		c.Open = func(d digest.Digest) (io.ReadSeekCloser, error) {
			f, err := inner(d)
			return slowFile{f, block, begun}, err
		}
	})
	first.put(waiting[d])
	mine := second.share(d)
	defer mine.End()
	url := mine.Sources(d)[0].URL
	var taking sync.WaitGroup
	taking.Go(func() {
		if resp, body := second.get(url); body != waiting[d] {
			t.Errorf("%s: %s", resp.Status, body)
		}
	})
	<-begun // it is being given
	err := second.fetchFrom(mine, d, len(waiting[d]))
	if _, later := errors.AsType[*fetch.LaterError](err); !later {
		t.Errorf("while another takes something: %v", err)
	}
	close(block)
	taking.Wait()
	missing := strings.Replace(url, d.Hex(), digest.Of(nil).Hex(), 1)
	if resp, _ := second.get(missing, "Prefer", "wait=20"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("what nobody has: %s", resp.Status)
	}
	if resp, _ := second.get(strings.Replace(url, d.Hex(), "x", 1)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("what is no digest: %s", resp.Status)
	}
}

// slowFile says when it is read, and can be once block is closed.
type slowFile struct {
	io.ReadSeekCloser
	block, begun chan struct{}
}

func (f slowFile) Read(b []byte) (int, error) {
	select {
	case f.begun <- struct{}{}:
	default:
	}
	<-f.block
	return f.ReadSeekCloser.Read(b)
}

// A peer that can't be reached is left alone for a while; it costs no more than the attempt.
func TestUnreachable(t *testing.T) {
	a := newAuthority(t)
	v, gone := newViewer(t, a, "here", nil), newViewer(t, a, "gone", nil)
	meet(v, gone)
	gone.stop()
	d := digest.Of([]byte("content"))
	s := v.share(d) // it is asked what it has
	defer s.End()
	if sources := s.Sources(d); len(sources) != 0 {
		t.Errorf("it is asked again: %v", sources)
	}
}

// A peer that takes the connection and then says nothing, as one whose cable has been pulled, isn't waited for again.
func TestSilent(t *testing.T) {
	a := newAuthority(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", a.config(t, "silent"))
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	t.Cleanup(conns.Wait) // after the viewer has ended
	t.Cleanup(func() { l.Close() })
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				_, _ = io.Copy(io.Discard, c) // until the viewer gives up
				_ = c.Close()
			})
		}
	})
	v := newViewer(t, a, "viewer", nil)
	v.Set([]peer.Peer{{Name: "silent", Addrs: []string{l.Addr().String()}}})
	var ds []digest.Digest
	for i := range 20 { // of some it would be the silent one's turn
		ds = append(ds, digest.Of([]byte{byte(i)}))
	}
	s := v.share(ds...)
	defer s.End()
	for _, d := range ds {
		if sources := s.Sources(d); len(sources) > 0 {
			t.Errorf("%s is asked for at %v", d.Short(), sources)
		}
	}
}

// Only a viewer of the site gets anything, and is believed to be a peer.
func TestStrangers(t *testing.T) {
	site, other := newAuthority(t), newAuthority(t)
	v, stranger := newViewer(t, site, "viewer", nil), newViewer(t, other, "stranger", nil)
	naked := newViewer(t, site, "naked", func(c *peer.Config) {
		c.Client = func() (*tls.Config, error) { return &tls.Config{InsecureSkipVerify: true}, nil }
	})
	meet(v, stranger, naked)
	d := v.put("content")
	stranger.put("content")
	for _, asks := range []*viewer{stranger, naked} {
		s := asks.share(d)
		if err := asks.fetchFrom(s, d, 7); err == nil || asks == naked && naked.store.Has(d, 7) {
			t.Errorf("%s got it", asks.name)
		}
		s.End()
	}
	other1 := digest.Of([]byte("only the stranger has it"))
	stranger.put("only the stranger has it")
	s := v.share(other1)
	defer s.End()
	if err := v.fetchFrom(s, other1, 24); err == nil {
		t.Error("the stranger was believed")
	}
}

// What a peer gives is checked like anything else, and a lie costs only time.
func TestLyingPeer(t *testing.T) {
	first, second, d := pair(t, func(c *peer.Config) {
		c.Open = func(digest.Digest) (io.ReadSeekCloser, error) { return nopCloser{strings.NewReader("kontent 0")}, nil }
	})
	_ = first
	honest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, waiting[d]) }))
	defer honest.Close()
	s := second.share(d)
	defer s.End()
	both := fetch.New(fetch.Config{Transport: bySchemes{second.Transport(), http.DefaultTransport}, RetryWait: time.Millisecond, Retries: 1})
	job := fetch.Job{Digest: d, Size: int64(len(waiting[d])), Sources: append(s.Sources(d), fetch.Source{URL: honest.URL})}
	if len(job.Sources) != 2 {
		t.Fatalf("sources %v", job.Sources)
	}
	if err := both.Fetch(t.Context(), second.store, job); err != nil {
		t.Fatal(err)
	}
	if err := second.store.Verify(t.Context(), d); err != nil {
		t.Error(err)
	}
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

// bySchemes carries requests to peers, and to the rest.
type bySchemes struct{ peers, rest http.RoundTripper }

func (b bySchemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == peer.Scheme {
		return b.peers.RoundTrip(r)
	}
	return b.rest.RoundTrip(r)
}

// What is given keeps to the rate.
func TestRate(t *testing.T) {
	first, second, d := pair(t, func(c *peer.Config) { c.Rate = 256 << 10 })
	_ = d
	big := strings.Repeat("0123456789abcdef", 10<<10) // 160 KiB, of which the first 64 are free
	here := first.put(big)
	s := second.share(here)
	defer s.End()
	begun := time.Now()
	if err := second.fetchFrom(s, here, len(big)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 300*time.Millisecond {
		t.Errorf("160 KiB came in %v", took)
	}
}

// It can be run again after it has ended.
func TestRunAgain(t *testing.T) {
	a := newAuthority(t)
	v := newViewer(t, a, "viewer", nil)
	v.stop()
	d := v.put("content")
	done := make(chan error, 1)
	ctx, cancel := contextOf(t)
	go func() { done <- v.Run(ctx) }()
	other := newViewer(t, a, "other", nil)
	for range 100 { // until it listens: Ready is closed already
		meet(v, other)
		s := other.share(d)
		err := other.fetchFrom(s, d, 7)
		s.End()
		if err == nil {
			break
		}
		other.Set(nil) // forget that it couldn't be reached
	}
	if !other.store.Has(d, 7) {
		t.Error("it gives nothing")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
