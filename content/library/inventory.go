package library

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/content/store"
)

// An Item is a file of content, for a person to look at.
type Item struct {
	Digest digest.Digest `json:"digest"`
	// Name and Type are the manifest's; a manifest's own name is its id.
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"`
	Size int64  `json:"size"`
	// Here is how many of its bytes are on disk.
	Here int64 `json:"here"`
	// Needed is when it was last needed, or else when it came; zero if it isn't here.
	Needed time.Time `json:"needed,omitzero"`
	// Uses says what keeps it on disk: "current", "previous", "wanted", "pinned"; none means that it goes when its room is needed.
	Uses []string `json:"uses"`
}

// Current is the active generation as it is on disk, for a library that doesn't run.
func (l *Library) Current() (Active, error) {
	g, ok := l.config.Store.Current()
	if !ok {
		return Active{}, errors.New("there is no programme on this disk yet")
	}
	return l.open(g)
}

// Open opens an asset.
func (l *Library) Open(d digest.Digest) (io.ReadSeekCloser, error) { return l.config.Store.Open(d) }

// An Inventory is what is on disk, and what should be.
type Inventory struct {
	Current  *store.Generation `json:"current,omitempty"`
	Previous *store.Generation `json:"previous,omitempty"`
	Items    []Item            `json:"items"`
	// Used is how many bytes content takes, Free what the disk has left, and Total its size.
	Used  int64 `json:"used"`
	Free  int64 `json:"free"`
	Total int64 `json:"total"`
}

// Inventory lists what is on disk, and what should be, by use and name.
func (l *Library) Inventory() (Inventory, error) {
	var v Inventory
	assets, err := l.config.Store.Assets()
	if err != nil {
		return v, err
	}
	items := map[digest.Digest]*Item{}
	for _, a := range assets {
		items[a.Digest] = &Item{Digest: a.Digest, Size: a.Size, Here: a.Size, Needed: a.Needed}
		if a.Partial {
			items[a.Digest].Size = 0 // not known, unless a manifest says it
		}
	}
	if v.Current, v.Previous, err = l.used(items); err != nil {
		return v, err
	}
	for _, item := range items {
		v.Items = append(v.Items, *item)
	}
	slices.SortFunc(v.Items, func(a, b Item) int {
		return cmp.Or(slices.Compare(rank(a), rank(b)), cmp.Compare(a.Name, b.Name), compare(a.Digest, b.Digest))
	})
	v.Used, v.Free, v.Total, err = l.config.Store.Space()
	return v, err
}

// rank sorts what plays before what is kept for its own sake, and that before the rest.
func rank(i Item) []string {
	if len(i.Uses) == 0 {
		return []string{"~"}
	}
	return i.Uses
}

// used notes what uses each item, and adds those that should be here and aren't.
func (l *Library) used(items map[digest.Digest]*Item) (current, previous *store.Generation, err error) {
	for i, g := range l.remembered() {
		use := "current"
		if i > 0 || current != nil {
			use, previous = "previous", &g
		} else {
			current = &g
		}
		l.use(items, use, refOf(g))
	}
	if wanted := l.nowWanted(); !wanted.Digest.IsZero() && (current == nil || current.Manifest != wanted.Digest) {
		l.use(items, "wanted", wanted)
	}
	for d, pin := range l.config.Store.Pins() {
		l.use(items, "pinned", Ref{Digest: d, Size: pin.Size, Signature: pin.Signature})
		items[d].Name, items[d].Type = cmp.Or(items[d].Name, pin.Name), cmp.Or(items[d].Type, pin.Type)
	}
	return current, previous, nil
}

// use notes that something uses an asset, or a manifest with its assets.
func (l *Library) use(items map[digest.Digest]*Item, use string, r Ref) {
	note := func(d digest.Digest, size int64, name, mediaType string) {
		item := items[d]
		if item == nil {
			item = &Item{Digest: d}
			items[d] = item
		}
		item.Name, item.Type, item.Size = cmp.Or(item.Name, name), cmp.Or(item.Type, mediaType), size
		if !slices.Contains(item.Uses, use) {
			item.Uses = append(item.Uses, use)
		}
	}
	if r.Signature == "" {
		note(r.Digest, r.Size, "", "")
		return
	}
	m, err := l.readManifest(r, true)
	if err != nil {
		note(r.Digest, r.Size, "", manifest.ContentType)
		return
	}
	note(r.Digest, r.Size, m.ID, manifest.ContentType)
	for _, d := range m.Used() {
		a := m.Assets[d]
		note(d, a.Size, a.Name, a.Type)
	}
}

// A Verification is what came of reading everything again.
type Verification struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// Bad are the files whose bytes have changed, or that can't be read; Missing those that should be here and aren't.
	Bad     []digest.Digest `json:"bad"`
	Missing []digest.Digest `json:"missing"`
}

// Verify reads everything on disk again, at full speed. With mend, what is bad or missing is fetched again, as far as a generation
// needs it. Progress is told of every file; nil if nobody wants to know.
func (l *Library) Verify(ctx context.Context, mend bool, progress func(files int, bytes int64)) (Verification, error) {
	v := Verification{Bad: []digest.Digest{}, Missing: []digest.Digest{}}
	inventory, err := l.Inventory()
	if err != nil {
		return v, err
	}
	for _, item := range inventory.Items {
		switch {
		case item.Here != item.Size && slices.Equal(item.Uses, []string{"wanted"}):
			continue // on its way
		case item.Here == 0:
			v.Missing = append(v.Missing, item.Digest)
			continue
		case item.Here != item.Size && len(item.Uses) > 0 || item.Size == 0:
			// On its way, or of a wrong length: the next sync sees to it.
			v.Missing = append(v.Missing, item.Digest)
			continue
		}
		err := l.config.Store.Verify(ctx, item.Digest)
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		v.Files, v.Bytes = v.Files+1, v.Bytes+item.Size
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			v.Bad = append(v.Bad, item.Digest)
			if mend {
				l.bad(item.Digest, err)
			}
		}
		if progress != nil {
			progress(v.Files, v.Bytes)
		}
	}
	if mend && len(v.Bad)+len(v.Missing) > 0 {
		l.Refresh()
	}
	return v, nil
}

// Pin keeps an asset on disk, or a manifest with its assets, although no generation needs it; with off it takes that back. The name
// is a digest, the first digits of one, a file's name, or a programme's id, as the inventory has it.
func (l *Library) Pin(name string, off bool) (Item, error) {
	inventory, err := l.Inventory()
	if err != nil {
		return Item{}, err
	}
	item, err := inventory.Find(name)
	if err != nil {
		return Item{}, err
	}
	if off {
		if !slices.Contains(item.Uses, "pinned") {
			return item, fmt.Errorf("%q is not pinned", name)
		}
		return item, l.config.Store.SetPin(item.Digest, nil)
	}
	if item.Here != item.Size {
		return item, fmt.Errorf("%q is not on this disk in whole; pin it once it has been fetched", name)
	}
	pin := store.Pin{Since: l.config.Now().UTC(), Size: item.Size, Name: item.Name, Type: item.Type}
	for _, g := range l.remembered() {
		if g.Manifest == item.Digest {
			pin.Signature = g.Signature
		}
	}
	return item, l.config.Store.SetPin(item.Digest, &pin)
}

// Find gives the one item that a person means.
func (v Inventory) Find(name string) (Item, error) {
	var found []Item
	for _, item := range v.Items {
		if item.Digest.String() == name || item.Digest.Hex() == name {
			return item, nil
		}
		if item.Name == name || len(name) >= 4 && len(name) <= 64 && item.Digest.Hex()[:len(name)] == name {
			found = append(found, item)
		}
	}
	switch len(found) {
	case 0:
		return Item{}, fmt.Errorf("there is nothing called %.100q on this disk; `vitrine content list` shows what there is", name)
	case 1:
		return found[0], nil
	}
	return Item{}, fmt.Errorf("%d files are called %.100q; give the digits of one from `vitrine content list`", len(found), name)
}
