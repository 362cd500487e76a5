package library

import (
	"context"

	"vitrine/content/store"
)

// mend has what is missing of the current generation fetched, and, while that doesn't play, of the previous one: whatever is wanted and can't be had, the last good
// one is to play on, whole. It is errSuperseded if something else is wanted meanwhile than what was synced.
func (l *Library) mend(ctx context.Context, synced Ref) (damage error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.cancel = cancel
	l.mu.Unlock()
	if l.nowWanted() != synced {
		return errSuperseded
	}
	for _, g := range l.remembered() {
		if refOf(g) != synced {
			err := l.complete(ctx, g)
			switch {
			case ctx.Err() != nil:
				return errSuperseded
			case err != nil && damage == nil:
				damage = err
			}
		}
		if active, ok := l.Active(); ok && active.Generation.Manifest == g.Manifest {
			break
		}
	}
	return damage
}

// complete fetches what is missing of a generation that was active once. It plays then, if it is the current one or nothing else does.
func (l *Library) complete(ctx context.Context, g store.Generation) error {
	m, err := l.fetchManifest(ctx, refOf(g), true)
	if err != nil {
		return err
	}
	if err := l.fetchAssets(ctx, g.Manifest, m); err != nil {
		return err
	}
	l.activating.Lock()
	defer l.activating.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	current, _ := l.config.Store.Current()
	if current.Manifest == g.Manifest {
		l.isWhole()
	}
	active, plays := l.Active()
	if plays && (active.Generation.Manifest == g.Manifest || current.Manifest != g.Manifest) {
		return nil
	}
	l.log.Info("A damaged programme is whole again", "programme", m.ID, "digest", g.Manifest.Short())
	l.set(Active{Generation: g, Manifest: m})
	return nil
}
