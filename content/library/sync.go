package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

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
		l.isWhole()
	}
	return err
}

// isWhole notes that the current generation plays.
func (l *Library) isWhole() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.damaged = nil
}

// follow makes wanted the active generation in place of active.
func (l *Library) follow(ctx context.Context, wanted Ref, active *Active) error {
	plays := active != nil && active.Generation.Manifest == wanted.Digest
	m, err := l.fetchManifest(ctx, wanted, false)
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
	if plays {
		return nil // what was damaged of it is mended
	}
	before := l.dropped()
	g := store.Generation{Manifest: wanted.Digest, Size: wanted.Size, Signature: wanted.Signature, Activated: l.config.Now().UTC()}
	if err := l.config.Store.Activate(g); err != nil {
		return err
	}
	l.log.Info("Activated a new programme", "programme", m.ID, "digest", g.Manifest.Short(), "files", len(m.Used()))
	l.set(Active{Generation: g, Manifest: m})
	l.config.Store.Touch(l.config.Now(), before...)
	l.tidy()
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
func (l *Library) fetchManifest(ctx context.Context, r Ref, activated bool) (*manifest.Manifest, error) {
	if r.Size < 1 || r.Size > manifest.MaxSize {
		return nil, finalError{fmt.Errorf("manifest: a size of %d bytes is out of range", r.Size)}
	}
	if !l.config.Store.Adopt(ctx, r.Digest, r.Size) {
		if err := l.makeRoom(r.Size); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		wanted := asset{digest: r.Digest, size: r.Size, mediaType: manifest.ContentType, path: manifestPath}
		if err := l.transfer(ctx, nil, []asset{wanted}); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
	}
	m, err := l.readManifest(r, activated)
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
	if err := l.config.Store.Remove(store.Asset{Digest: d, Size: -1}); err != nil {
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

// fetchAssets brings what is missing into the store. What doesn't fit on the disk is refused before the first byte.
func (l *Library) fetchAssets(ctx context.Context, wanted digest.Digest, m *manifest.Manifest) error {
	var missing []asset
	p := newProgress(l.config.Progress, wanted)
	for i, d := range l.config.Order(m) {
		a := m.Assets[d]
		if l.config.Store.Adopt(ctx, d, a.Size) {
			continue
		}
		missing = append(missing, asset{digest: d, size: a.Size, mediaType: a.Type, name: a.Name, path: assetPath, urls: a.URLs, order: i})
		p.expect(a.Size, l.config.Store.Partial(d))
	}
	if err := ctx.Err(); err != nil || len(missing) == 0 {
		return err
	}
	if err := l.makeRoom(p.state.Bytes-p.state.BytesDone, m); err != nil {
		return err
	}
	p.add(0, 0)
	return l.transfer(ctx, p, missing)
}

// A closedError says that downloads aren't allowed at this hour.
type closedError struct{ opens time.Duration }

func (e *closedError) Error() string {
	return fmt.Sprintf("downloads are not allowed at this hour; they begin in %s", e.opens.Round(time.Minute))
}

// errClosed ends the transfers when the hours end in which they are allowed.
var errClosed = errors.New("the hours in which downloads are allowed have ended")

// outside lists the places of an asset that cost an outside line: the servers, then its own addresses.
func (l *Library) outside(a asset) []fetch.Source {
	var sources []fetch.Source
	for _, base := range l.config.Bases() {
		sources = append(sources, fetch.Source{URL: base + a.path + a.digest.String()})
	}
	for _, url := range a.urls {
		sources = append(sources, fetch.Source{URL: url})
	}
	return sources
}
