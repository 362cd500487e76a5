package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
	"vitrine/platform/backoff"
)

const (
	// every is how often a feed is asked for, and the longest wait after failures.
	every = 10 * time.Minute
	// firstRetry is about the first wait after a failure.
	firstRetry = 10 * time.Second
	// fetchTime is how long the fetch of a feed may take.
	fetchTime = 20 * time.Second
	// maxFeeds bounds how many feeds a programme can have asked for; keepFiles is how many are on disk, with those of programmes before.
	maxFeeds  = 64
	keepFiles = 2 * maxFeeds
)

// Feeds keeps the news of the feeds that a programme shows. It is safe for concurrent use.
type Feeds struct {
	dir       string
	client    *http.Client
	log       *slog.Logger
	now       func() time.Time
	changed   chan struct{}
	readyOnce sync.Once
	ready     chan struct{}

	mu     sync.Mutex
	wanted []*source
}

// A source is a feed that is wanted. All but url, tried and retry is guarded by Feeds.mu.
type source struct {
	url   string
	kept  kept
	err   error
	next  time.Time     // when it is asked for again
	tried chan struct{} // closed once something is known: from disk, or by a first try
	retry backoff.Backoff
}

// kept is the form of a feed on disk.
type kept struct {
	URL     string    `json:"url"`
	Fetched time.Time `json:"fetched"`
	// ETag and Modified let the server say that nothing has changed.
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
	Feed     Feed   `json:"feed"`
}

// NewFeeds keeps feeds in a folder, which is made when there is something to keep. now is for what is written down.
func NewFeeds(dir string, transport http.RoundTripper, now func() time.Time, log *slog.Logger) *Feeds {
	client := &http.Client{Transport: transport, CheckRedirect: follow}
	return &Feeds{dir: dir, client: client, log: log, now: now, changed: make(chan struct{}, 1), ready: make(chan struct{})}
}

// String names the task.
func (f *Feeds) String() string { return "feeds" }

// Ready is closed once Run runs.
func (f *Feeds) Ready() <-chan struct{} { return f.ready }

// Want says which feeds are shown from now on. Those that are on disk are there at once.
func (f *Feeds) Want(urls []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var wanted []*source
	for _, url := range urls {
		if slices.ContainsFunc(wanted, func(s *source) bool { return s.url == url }) {
			continue
		}
		if len(wanted) == maxFeeds {
			f.log.Warn("The programme has more feeds than are fetched.", "limit", maxFeeds)
			break
		}
		if i := slices.IndexFunc(f.wanted, func(s *source) bool { return s.url == url }); i >= 0 {
			wanted = append(wanted, f.wanted[i])
			continue
		}
		wanted = append(wanted, f.load(url))
	}
	f.wanted = wanted
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// load begins with what is on disk. What can't be read is set aside, and fetched again.
func (f *Feeds) load(url string) *source {
	s := &source{url: url, kept: kept{URL: url}, tried: make(chan struct{}), retry: backoff.Backoff{Base: firstRetry, Max: every}}
	data, err := os.ReadFile(f.path(url))
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	if err == nil {
		err = json.Unmarshal(data, &s.kept)
	}
	if err == nil && (s.kept.URL != url || len(s.kept.Feed.Entries) == 0) {
		err = errors.New("it is of another feed, or empty")
	}
	if err != nil {
		f.log.Warn("A feed that was kept on disk can't be read, and is set aside.", "url", url, "err", err)
		_ = os.Rename(f.path(url), f.path(url)+".damaged") // it is fetched again in any case
		s.kept = kept{URL: url}
		return s
	}
	close(s.tried)
	return s
}

func (f *Feeds) path(url string) string {
	return filepath.Join(f.dir, digest.Of([]byte(url)).Hex()[:32]+".json")
}

// Get is the news of a feed that is wanted: the last that could be had. It waits for the end of the first try if there is nothing yet.
func (f *Feeds) Get(ctx context.Context, url string) (Feed, error) {
	f.mu.Lock()
	i := slices.IndexFunc(f.wanted, func(s *source) bool { return s.url == url })
	if i < 0 {
		f.mu.Unlock()
		return Feed{}, errors.New("the feed isn't one of the programme")
	}
	s := f.wanted[i]
	f.mu.Unlock()
	select {
	case <-s.tried:
	case <-ctx.Done():
		return Feed{}, errors.New("the feed wasn't fetched yet")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(s.kept.Feed.Entries) == 0 {
		return Feed{}, fmt.Errorf("the feed couldn't be fetched yet: %w", s.err)
	}
	return s.kept.Feed, nil
}

// Run fetches the feeds that are wanted, one after the other, until ctx ends.
func (f *Feeds) Run(ctx context.Context) error {
	f.readyOnce.Do(func() { close(f.ready) })
	for {
		s, wait := f.due()
		if s != nil && wait <= 0 {
			f.refresh(ctx, s)
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-f.changed:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// due is the feed that is to be asked for next, and how long until then.
func (f *Feeds) due() (*source, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var first *source
	for _, s := range f.wanted {
		if first == nil || s.next.Before(first.next) {
			first = s
		}
	}
	if first == nil {
		return nil, every
	}
	return first, time.Until(first.next)
}

// refresh asks for a feed once.
func (f *Feeds) refresh(ctx context.Context, s *source) {
	f.mu.Lock()
	old := s.kept
	f.mu.Unlock()
	fresh, err := f.fetch(ctx, old)
	if ctx.Err() != nil {
		return
	}
	wait := every
	if err != nil {
		if s.retry.Failures() == 0 {
			f.log.Warn("A feed can't be fetched; what is known of it stays.", "url", s.url, "err", err)
		}
		wait = s.retry.Next()
	} else {
		s.retry.Reset()
		if err := f.keep(old, fresh); err != nil {
			f.log.Warn("A feed can't be kept on disk; it is shown all the same.", "url", s.url, "err", err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.err, s.next = err, time.Now().Add(wait)
	if err == nil {
		s.kept = fresh
	}
	select {
	case <-s.tried:
	default:
		close(s.tried)
	}
}

// fetch gets a feed, if it isn't the one that is known.
func (f *Feeds) fetch(ctx context.Context, old kept) (kept, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	header := http.Header{"Accept": {"application/rss+xml, application/atom+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1"}}
	for name, value := range map[string]string{"If-None-Match": old.ETag, "If-Modified-Since": old.Modified} {
		if value != "" {
			header.Set(name, value)
		}
	}
	resp, err := get(ctx, f.client, old.URL, header)
	if err != nil {
		return kept{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && len(old.Feed.Entries) > 0 {
		return old, nil
	}
	if resp.StatusCode != http.StatusOK {
		return kept{}, fmt.Errorf("its server answers %s", resp.Status)
	}
	data, err := read(resp.Body, maxFeed)
	if err != nil {
		return kept{}, err
	}
	feed, err := parse(data)
	if err != nil {
		return kept{}, err
	}
	return kept{
		URL: old.URL, Fetched: f.now().UTC(), Feed: feed,
		ETag: shortHeader(resp, "ETag"), Modified: shortHeader(resp, "Last-Modified"),
	}, nil
}

// shortHeader is a header that is sent back, unless it is as long as no honest one.
func shortHeader(resp *http.Response, name string) string {
	if value := resp.Header.Get(name); len(value) <= 200 {
		return value
	}
	return ""
}

// keep writes a feed down if there is something new in it, and makes room.
func (f *Feeds) keep(old, fresh kept) error {
	if slices.Equal(old.Feed.Entries, fresh.Feed.Entries) && old.Feed.Title == fresh.Feed.Title && old.ETag == fresh.ETag && old.Modified == fresh.Modified {
		return nil
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	if err := atomicfile.WriteJSON(f.path(fresh.URL), fresh, 0o600); err != nil {
		return err
	}
	return f.forget()
}

// forget removes the oldest files if there are too many.
func (f *Feeds) forget() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil || len(entries) <= keepFiles {
		return err
	}
	age := func(e os.DirEntry) time.Time {
		info, err := e.Info()
		if err != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return age(b).Compare(age(a)) })
	for _, e := range entries[keepFiles:] {
		if err := os.Remove(filepath.Join(f.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
