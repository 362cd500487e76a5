package library

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// Paths below a base address.
const (
	manifestPath = "/v1/manifests/"
	assetPath    = "/v1/assets/"
)

// maxFailures is how many assets may fail before no more are tried for the time being.
const maxFailures = workers

// sync makes the wanted generation the active one. It gives nil if there is nothing to do, and errSuperseded if another
// generation is wanted meanwhile.
func (l *Library) sync(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.cancel = cancel
	wanted, active := l.wanted, l.active
	l.mu.Unlock()
	if wanted == nil {
		return nil
	}
	err := l.follow(ctx, *wanted, active)
	if err != nil && ctx.Err() != nil {
		return errSuperseded // whatever the error is that this has caused
	}
	if err == nil {
		l.config.Fault(nil)
	}
	return err
}

// follow makes wanted the active generation in place of active.
func (l *Library) follow(ctx context.Context, wanted Ref, active *Active) error {
	if active != nil && active.Generation.Manifest == wanted.Digest {
		return l.forgetDamaged(wanted, active)
	}
	m, err := l.fetchManifest(ctx, wanted)
	if err != nil {
		return err
	}
	if err := l.fetchAssets(ctx, wanted.Digest, m); err != nil {
		return err
	}
	l.activating.Lock()
	defer l.activating.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.forgetDamaged(wanted, active); err != nil {
		return err
	}
	g := store.Generation{Manifest: wanted.Digest, Size: wanted.Size, Signature: wanted.Signature, Activated: l.config.Now().UTC()}
	if err := l.config.Store.Activate(g); err != nil {
		return err
	}
	l.log.Info("Activated a new programme", "programme", m.ID, "digest", g.Manifest.Short(), "files", len(m.Used()))
	l.set(Active{Generation: g, Manifest: m})
	l.sweep()
	return nil
}

// forgetDamaged makes the generation that plays the current one of the store, if it is the previous one because the
// current one is damaged: otherwise the next activation would keep the damaged one and drop the good one. But a damaged one
// that is wanted, and so about to be whole again, stays.
func (l *Library) forgetDamaged(wanted Ref, active *Active) error {
	current, ok := l.config.Store.Current()
	if !ok || active == nil || current.Manifest == active.Generation.Manifest || current.Manifest == wanted.Digest {
		return nil
	}
	_, err := l.config.Store.Rollback()
	return err
}

// fetchManifest brings the wanted manifest into the store, checks and reads it.
func (l *Library) fetchManifest(ctx context.Context, r Ref) (*manifest.Manifest, error) {
	if r.Size < 1 || r.Size > manifest.MaxSize {
		return nil, finalError{fmt.Errorf("manifest: a size of %d bytes is out of range", r.Size)}
	}
	if !l.config.Store.Has(r.Digest, r.Size) {
		if err := l.makeRoom(r.Size); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		job := fetch.Job{Digest: r.Digest, Size: r.Size, Type: manifest.ContentType, Sources: l.sources(manifestPath, r.Digest, nil)}
		if err := l.config.Fetcher.Fetch(ctx, l.config.Store, job); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
	}
	m, err := l.readManifest(r, false)
	if isFinal(err) {
		l.discard(r.Digest)
	}
	return m, err
}

// discard removes a manifest that is of no use, unless it is that of a generation, which a new key of the site may have
// made unreadable.
func (l *Library) discard(d digest.Digest) {
	for _, get := range []func() (store.Generation, bool){l.config.Store.Current, l.config.Store.Previous} {
		if g, ok := get(); ok && g.Manifest == d {
			return
		}
	}
	if _, _, err := l.config.Store.Sweep(func(other digest.Digest) bool { return other != d }); err != nil {
		l.log.Warn("A manifest that is of no use can't be removed", "digest", d.Short(), "err", err)
	}
}

// readManifest reads a manifest from the store: its hash, signature and content must all be right. Of a generation that was
// activated the signature has been checked before; without a key, because the viewer's identity was lost, it is not
// checked again, so that the last good programme plays on.
func (l *Library) readManifest(r Ref, activated bool) (*manifest.Manifest, error) {
	data, err := l.readAll(r.Digest)
	if err != nil {
		return nil, err
	}
	if got := digest.Of(data); got != r.Digest {
		l.config.Store.SetAside(r.Digest)
		return nil, &store.MismatchError{Want: r.Digest, Got: got}
	}
	if key := l.config.Key(); key != nil || !activated {
		if err := manifest.Verify(key, data, r.Signature); err != nil {
			return nil, finalError{err}
		}
	}
	m, err := manifest.Parse(data)
	if err != nil {
		return nil, finalError{err}
	}
	if err := l.config.Accept(m); err != nil {
		return nil, finalError{err}
	}
	return m, nil
}

// readAll reads a manifest's bytes. The file is closed again before anything else is done with it: Windows can't rename one
// that is open.
func (l *Library) readAll(d digest.Digest) ([]byte, error) {
	f, err := l.config.Store.Open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, manifest.MaxSize+1))
}

// sources are the addresses of an asset: those of the servers, then its own.
func (l *Library) sources(path string, d digest.Digest, own []string) []string {
	var sources []string
	for _, base := range l.config.Bases() {
		sources = append(sources, base+path+d.String())
	}
	return append(sources, own...)
}

// missing are the assets that a manifest's presentations use and that aren't on disk.
func (l *Library) missing(m *manifest.Manifest) []digest.Digest {
	var missing []digest.Digest
	for _, d := range m.Used() {
		if !l.config.Store.Has(d, m.Assets[d].Size) {
			missing = append(missing, d)
		}
	}
	return missing
}

// fetchAssets brings what is missing into the store. What doesn't fit on the disk is refused before the first byte.
func (l *Library) fetchAssets(ctx context.Context, wanted digest.Digest, m *manifest.Manifest) error {
	missing := l.missing(m)
	p := &progress{report: l.config.Progress, state: Progress{Manifest: wanted, Files: len(missing)}}
	for _, d := range missing {
		p.state.Bytes += m.Assets[d].Size
	}
	if err := l.makeRoom(p.state.Bytes, m); err != nil {
		return err
	}
	p.add(0, 0)
	// One that fails doesn't stop the others: what they bring stays, and needn't be fetched at the next try. After
	// several the fault isn't with the files, and to try thousands more before anybody is told would take half an hour.
	var group errgroup.Group
	group.SetLimit(workers)
	var failures atomic.Int32
	for _, d := range missing {
		group.Go(func() error {
			if err := ctx.Err(); err != nil || failures.Load() >= maxFailures {
				return err
			}
			a := m.Assets[d]
			job := fetch.Job{Digest: d, Size: a.Size, Type: a.Type, Sources: l.sources(assetPath, d, a.URLs), Progress: func(n int64) { p.add(0, n) }}
			if err := l.config.Fetcher.Fetch(ctx, l.config.Store, job); err != nil {
				failures.Add(1)
				return fmt.Errorf("%q (%s): %w", a.Name, d.Short(), err)
			}
			p.add(1, 0)
			return nil
		})
	}
	return group.Wait()
}

// makeRoom frees what nothing needs if the disk is short, and says if that isn't enough. What next needs stays too.
func (l *Library) makeRoom(need int64, next ...*manifest.Manifest) error {
	if l.config.Store.Room(need) == nil {
		return nil
	}
	l.sweep(next...)
	return l.config.Store.Room(need)
}

// sweep removes what no generation needs. others are manifests whose assets stay too.
func (l *Library) sweep(others ...*manifest.Manifest) {
	if _, _, err := l.remove(others); err != nil {
		l.log.Warn("Not everything that isn't needed could be removed from disk", "err", err)
	}
}

// remove does that, and gives how many files and bytes went.
func (l *Library) remove(others []*manifest.Manifest) (files int, size int64, err error) {
	keep := map[digest.Digest]bool{}
	for _, get := range []func() (store.Generation, bool){l.config.Store.Current, l.config.Store.Previous} {
		g, ok := get()
		if !ok {
			continue
		}
		keep[g.Manifest] = true
		m, err := l.readManifest(Ref{Digest: g.Manifest, Size: g.Size, Signature: g.Signature}, true)
		if err != nil {
			return 0, 0, fmt.Errorf("it isn't known what an earlier programme needs: %w", err)
		}
		others = append(others, m)
	}
	l.mu.Lock()
	if l.wanted != nil {
		keep[l.wanted.Digest] = true
	}
	l.mu.Unlock()
	for _, m := range others {
		for _, d := range m.Used() {
			keep[d] = true
		}
	}
	files, size, err = l.config.Store.Sweep(func(d digest.Digest) bool { return keep[d] })
	if files > 0 {
		l.log.Info("Removed what no programme needs any more", "files", files, "bytes", size)
	}
	return files, size, err
}

// progress counts for several workers.
type progress struct {
	report func(Progress)
	mu     sync.Mutex
	state  Progress
}

func (p *progress) add(files int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.FilesDone += files
	p.state.BytesDone += bytes
	p.report(p.state)
}
