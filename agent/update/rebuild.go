package update

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"vitrine/content/digest"
	"vitrine/content/release"
)

// rebuilt is a record of the releases that are whole on disk, in place of one that can't be read. Those before the newest have proved themselves; nobody
// knows any more whether it has, or was on trial, so it does again: it counts as begun and paused.
func (f *Folder) rebuilt() (r Record) {
	entries, _ := f.fs.ReadDir(f.dir) // what can't be read can't be run either
	var list []Release
	for _, entry := range entries {
		d, err := digest.Parse("sha256:" + entry.Name())
		if err != nil {
			continue
		}
		if found, err := f.found(d); err == nil {
			list = append(list, found)
		}
	}
	slices.SortFunc(list, func(a, b Release) int { return b.Made.Compare(a.Made) })
	if len(list) > 0 {
		r.Trial = &Trial{Release: list[0], Ready: true, Starts: 1, Paused: true, Screen: true}
	}
	if len(list) > 1 {
		r.Confirmed, r.Newest = &list[1], list[1].Made
	}
	if len(list) > 2 {
		r.Previous = &list[2]
	}
	return r
}

// found reads what a release on disk is. Whether it is signed is seen to before it is run.
func (f *Folder) found(d digest.Digest) (Release, error) {
	document, err := f.small(Release{Digest: d}, release.DocumentFile)
	if err != nil {
		return Release{}, err
	}
	if digest.Of(document) != d {
		return Release{}, fmt.Errorf("%w: its document has changed", errDamaged)
	}
	named, err := release.Parse(document)
	if err != nil {
		return Release{}, err
	}
	r := Release{Digest: d, Version: named.Version, Made: named.Made}
	file, err := f.fs.OpenFile(f.Program(r), os.O_RDONLY, 0)
	if err != nil {
		return Release{}, err
	}
	defer file.Close()
	h := sha256.New()
	if r.Size, err = io.Copy(h, io.LimitReader(file, release.MaxProgramSize)); err != nil {
		return Release{}, err
	}
	r.Program = digest.Digest(h.Sum(nil))
	if !slices.ContainsFunc(named.Programs, func(p release.Program) bool { return p.Digest == r.Program }) {
		return Release{}, errors.New("its document names another program")
	}
	return r, nil
}
