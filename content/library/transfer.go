package library

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/store"
	"vitrine/platform/atomicfile"
)

// maxFailures is how many assets may fail before no more are tried for the time being: the fault isn't with the files then, and to
// try thousands more before anybody is told would take half an hour.
const maxFailures = 4

// Peers are other viewers of the site on this network. What one of them fetches from outside the others take from it, so that a
// programme crosses a thin line once.
type Peers interface {
	// Share says what this viewer is about to fetch, and asks the others what they have of it. Demanded is called when one of them
	// waits for one of these assets; it must not block.
	Share(ctx context.Context, ds []digest.Digest, demanded func(digest.Digest)) Share
}

// A Share is this viewer's part in a common fetch.
type Share interface {
	// Sources are the peers that have an asset, or whose turn it is to fetch it: these have a Wait. None means that it is this
	// viewer's turn.
	Sources(digest.Digest) []fetch.Source
	// Came says that so many bytes have come, from anywhere.
	Came(bytes int64)
	// Done says that an asset is here, or that it can't be had for the time being.
	Done(d digest.Digest, here bool)
	// End ends it.
	End()
}

// alone is the Share of a viewer without peers.
type alone struct{}

func (alone) Sources(digest.Digest) []fetch.Source { return nil }
func (alone) Came(int64)                           {}
func (alone) Done(digest.Digest, bool)             {}
func (alone) End()                                 {}

// Times in a common fetch.
const (
	// grace is how long after the beginning a peer may not know yet that it wants the same.
	grace = 5 * time.Second
	// between is the wait before a peer is asked again.
	between = time.Second
	// patience is how long a peer is waited for that makes no progress.
	patience = 2 * time.Minute
)

// An asset is one that is missing.
type asset struct {
	digest    digest.Digest
	size      int64
	mediaType string
	name      string
	// path is below the base address of a server, and urls are further addresses.
	path string
	urls []string
	// order is its place in the order of need.
	order int
	// progress is how far a peer was when it was last asked for it, and since when.
	progress int64
	since    time.Time
}

func (a asset) describe(err error) error {
	if a.name == "" {
		return err
	}
	return fmt.Errorf("%q (%s): %w", a.name, a.digest.Short(), err)
}

// A transfer is the fetch of several assets by several workers.
type transfer struct {
	*Library
	progress *progress
	share    Share
	begun    time.Time
	// outsideOpen tells whether servers may be asked at this hour.
	outsideOpen bool
	queue       *queue

	mu       sync.Mutex
	failures int
	failed   error
}

// transfer fetches assets. One that fails doesn't stop the others: what they bring stays, and needn't be fetched at the next try.
func (l *Library) transfer(ctx context.Context, p *progress, missing []asset) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	open, holds := l.config.Window()
	if _, plays := l.Active(); !plays {
		open, holds = true, 0 // a black screen doesn't wait
	}
	if open && holds > 0 {
		defer time.AfterFunc(holds, func() { cancel(errClosed) }).Stop()
	}
	t := &transfer{Library: l, progress: p, share: alone{}, begun: time.Now(), outsideOpen: open, queue: newQueue(l.config.Parallel)}
	if l.config.Peers != nil {
		ds := make([]digest.Digest, len(missing))
		for i, a := range missing {
			ds[i] = a.digest
		}
		t.share = l.config.Peers.Share(ctx, ds, t.queue.promote)
	}
	defer t.share.End()
	t.run(ctx, missing)
	switch {
	case errors.Is(context.Cause(ctx), errClosed), !open && errors.Is(t.failed, errClosed):
		_, opens := l.config.Window()
		return &closedError{opens}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return t.failed
}

// run fetches until everything is here or has failed: near lanes take what costs no outside line, the others what is left.
func (t *transfer) run(ctx context.Context, missing []asset) {
	defer context.AfterFunc(ctx, t.queue.stop)()
	for _, a := range missing {
		t.queue.add(a, len(t.near(a)) > 0)
	}
	var lanes, workers sync.WaitGroup
	lanes.Go(func() { t.hand(ctx, &workers, true, t.fetchNear) })
	lanes.Go(func() { t.hand(ctx, &workers, false, t.fetchOutside) })
	lanes.Wait()
	workers.Wait()
}

// hand gives assets to workers, as lanes become free.
func (t *transfer) hand(ctx context.Context, workers *sync.WaitGroup, near bool, fetch func(context.Context, asset, func())) {
	for {
		a, ok := t.queue.next(near)
		if !ok {
			return
		}
		came := sync.OnceFunc(func() { t.queue.came(a, near) })
		workers.Go(func() {
			fetch(ctx, a, came)
			came()
			t.queue.done()
		})
	}
}

// near are the places of an asset that cost no outside line.
func (t *transfer) near(a asset) []fetch.Source {
	return append(t.config.Near(a.digest), t.share.Sources(a.digest)...)
}

// fetchNear tries the places that cost no outside line; what they don't have goes to the other lanes.
func (t *transfer) fetchNear(ctx context.Context, a asset, came func()) {
	sources := t.near(a)
	err := t.fetch(ctx, a, sources, came)
	waits := false
	for _, s := range sources {
		waits = waits || s.Wait > 0
	}
	switch {
	case err == nil || ctx.Err() != nil:
	case isDisk(err):
		t.fail(a, err)
	case a.waitsFor(err), waits && time.Since(t.begun) < grace:
		pause(ctx, between)
		t.queue.add(a, true)
	default:
		t.log.Debug("No peer has a file; it is fetched from outside", "digest", a.digest.Short(), "err", err)
		t.queue.add(a, false)
	}
}

// waitsFor tells whether an error says that a peer will have the asset later, and that is worth waiting for.
func (a *asset) waitsFor(err error) bool {
	later, ok := errors.AsType[*fetch.LaterError](err)
	if !ok {
		return false
	}
	if a.since.IsZero() || later.Progress > a.progress {
		a.progress, a.since = later.Progress, time.Now()
	}
	return time.Since(a.since) < patience
}

// fetchOutside tries the servers and the asset's own addresses.
func (t *transfer) fetchOutside(ctx context.Context, a asset, came func()) {
	sources := t.config.Near(a.digest)
	if t.outsideOpen {
		sources = append(sources, t.outside(a)...)
	}
	err := t.fetch(ctx, a, sources, came)
	if errors.Is(err, fetch.ErrNoSource) && !t.outsideOpen {
		err = errClosed
	}
	if err != nil && ctx.Err() == nil {
		t.fail(a, err)
	}
}

func (t *transfer) fetch(ctx context.Context, a asset, sources []fetch.Source, came func()) error {
	job := fetch.Job{Digest: a.digest, Size: a.size, Type: a.mediaType, Sources: sources, Came: came, Progress: func(n int64) {
		t.progress.add(0, n)
		t.share.Came(n)
	}}
	if err := t.config.Fetcher.Fetch(ctx, t.config.Store, job); err != nil {
		return err
	}
	t.progress.add(1, 0)
	t.share.Done(a.digest, true)
	return nil
}

// fail notes the first failure, and ends the work after several.
func (t *transfer) fail(a asset, err error) {
	t.share.Done(a.digest, false)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = a.describe(err)
	}
	if t.failures++; t.failures >= maxFailures {
		t.queue.stop()
	}
}

// isDisk tells whether an error is the disk's, so that no other source helps.
func isDisk(err error) bool {
	_, space := errors.AsType[*store.SpaceError](err)
	return space || atomicfile.IsDiskFault(err)
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
