package library

import (
	"fmt"

	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// Purge removes from disk what neither generation needs, nor the one that is wanted, nor a pin, and gives how many files and bytes that were. While it isn't
// known what the current generation needs nothing is removed.
func (l *Library) Purge() (files int, size int64, err error) {
	keep, err := l.needed()
	if err != nil {
		return 0, 0, err
	}
	files, size, err = l.config.Store.Sweep(func(d digest.Digest) bool { return keep[d] })
	l.logRemoved(files, size)
	return files, size, err
}

func (l *Library) logRemoved(files int, size int64) {
	if files > 0 {
		l.log.Info("Removed what no programme needs any more", "files", files, "bytes", size)
	}
}

// makeRoom removes what nothing needs, what wasn't needed for the longest time first, until need more bytes fit, and says if that
// isn't enough. What next needs stays too. If the manifest of a generation can't be read, or is signed with a former key of the viewer's, its files go by their
// age as well: it can't be played so, and must not keep away what can, least of all its own manifest.
func (l *Library) makeRoom(need int64, next ...*manifest.Manifest) error {
	if l.config.Store.Room(need) == nil {
		return nil
	}
	keep, _ := l.needed(next...)
	files, size, err := l.config.Store.Evict(need, func(d digest.Digest) bool { return keep[d] })
	l.logRemoved(files, size)
	if err != nil {
		l.log.Warn("Not everything that isn't needed could be removed from disk", "err", err)
	}
	return l.config.Store.Room(need)
}

// tidy removes what has come of assets that aren't wanted any more, and makes room if the disk has become too full.
func (l *Library) tidy() {
	if err := l.makeRoom(1); err != nil {
		l.log.Warn("The disk is fuller than it should be", "err", err)
	}
	keep, err := l.needed()
	if err == nil {
		err = l.config.Store.RemovePartials(func(d digest.Digest) bool { return keep[d] })
	}
	if err != nil {
		l.log.Warn("Not everything that isn't needed could be removed from disk", "err", err)
	}
}

// remembered are the generations of the store.
func (l *Library) remembered() []store.Generation {
	var list []store.Generation
	for _, get := range []func() (store.Generation, bool){l.config.Store.Current, l.config.Store.Previous} {
		if g, ok := get(); ok {
			list = append(list, g)
		}
	}
	return list
}

func refOf(g store.Generation) Ref {
	return Ref{Digest: g.Manifest, Size: g.Size, Signature: g.Signature}
}

// needed is what must stay on disk: what plays, both generations, what is wanted, also beside the programme, what is pinned, and what others need. The error says
// that it isn't known what the current generation needs.
func (l *Library) needed(others ...*manifest.Manifest) (keep map[digest.Digest]bool, unknown error) {
	keep = map[digest.Digest]bool{}
	for i, g := range l.remembered() {
		keep[g.Manifest] = true
		m, err := l.readManifest(refOf(g), true)
		if err != nil && i == 0 {
			unknown = fmt.Errorf("it isn't known what the present programme needs: %w", err)
		}
		if err == nil {
			others = append(others, m)
		}
	}
	if active, ok := l.Active(); ok {
		others = append(others, active.Manifest)
	}
	if wanted := l.nowWanted(); !wanted.Digest.IsZero() {
		keep[wanted.Digest] = true
		// One that can't be read has no assets on disk yet.
		if m, err := l.readManifest(wanted, false); err == nil {
			others = append(others, m)
		}
	}
	for _, d := range l.alsoWanted() {
		keep[d] = true
	}
	for d, pin := range l.config.Store.Pins() {
		keep[d] = true
		if pin.Signature == "" {
			continue
		}
		if m, err := l.readManifest(Ref{Digest: d, Size: pin.Size, Signature: pin.Signature}, true); err == nil {
			others = append(others, m)
		}
	}
	for _, m := range others {
		for _, d := range m.Used() {
			keep[d] = true
		}
	}
	return keep, unknown
}

// dropped are the assets of the previous generation that the current one doesn't need: the next activation gives them up.
func (l *Library) dropped() []digest.Digest {
	previous, ok := l.config.Store.Previous()
	if !ok {
		return nil
	}
	m, err := l.readManifest(refOf(previous), true)
	if err != nil {
		return nil
	}
	kept := map[digest.Digest]bool{}
	if active, ok := l.Active(); ok {
		for _, d := range active.Manifest.Used() {
			kept[d] = true
		}
	}
	list := []digest.Digest{previous.Manifest}
	for _, d := range m.Used() {
		if !kept[d] {
			list = append(list, d)
		}
	}
	return list
}
