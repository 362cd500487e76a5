package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"vitrine/content/digest"
)

// MinReserve is the least that stays free by default, in bytes.
const MinReserve = 64 << 20

// The default reserve.
const (
	reservePercent = 5
	maxReserve     = 2 << 30
)

// An Amount is a number of bytes, or a part of the disk.
type Amount struct {
	Bytes int64
	// Percent is of the file system's size; it counts if Bytes is 0.
	Percent float64
}

// IsZero tells whether nothing was said.
func (a Amount) IsZero() bool { return a == Amount{} }

// of is the amount in bytes, on a file system of this size.
func (a Amount) of(total int64) int64 {
	if a.Bytes != 0 {
		return a.Bytes
	}
	return int64(float64(total) * a.Percent / 100)
}

// reserve is how many bytes stay free on a file system of this size.
func (c Config) reserve(total int64) int64 {
	if c.Reserve.IsZero() {
		return min(max(Amount{Percent: reservePercent}.of(total), MinReserve), maxReserve)
	}
	return c.Reserve.of(total)
}

// A SpaceError says that something doesn't fit on the disk.
type SpaceError struct {
	// Need is how many bytes more are needed.
	Need int64
	// Free is what is left, and Reserve what must stay so.
	Free, Reserve int64
	// Quota is what content may take, if that is what it doesn't fit in, and Used what it takes.
	Quota, Used int64
}

func (e *SpaceError) Error() string {
	if e.Quota > 0 {
		return fmt.Sprintf("the quota is too small: %d MB more are needed, and content takes %d of the %d MB that it may; raise quota in the settings, or publish less",
			megabytes(e.Need), e.Used/1e6, e.Quota/1e6)
	}
	return fmt.Sprintf("the disk is too small: %d MB more are needed, and of the %d MB that are free %d MB must stay so",
		megabytes(e.Need), e.Free/1e6, e.Reserve/1e6)
}

// megabytes is rounded up.
func megabytes(n int64) int64 { return (n + 1e6 - 1) / 1e6 }

// Room says whether need more bytes fit; the error is a *SpaceError if they don't.
func (s *Store) Room(need int64) error {
	if need <= 0 {
		return nil
	}
	free, total, err := s.fs.Space(s.dir)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	if reserve := s.config.reserve(total); free-need < reserve {
		return &SpaceError{Need: need, Free: free, Reserve: reserve}
	}
	if s.config.Quota.IsZero() {
		return nil
	}
	used, err := s.Used()
	if err != nil {
		return err
	}
	if quota := s.config.Quota.of(total); used+need > quota {
		return &SpaceError{Need: need, Quota: max(quota, 1), Used: used}
	}
	return nil
}

// Used is how many bytes assets take, with what has come of those on their way.
func (s *Store) Used() (int64, error) {
	s.mu.Lock()
	used := s.used
	s.mu.Unlock()
	if used >= 0 {
		return used, nil
	}
	assets, err := s.Assets()
	if err != nil {
		return 0, err
	}
	used = 0
	for _, a := range assets {
		used += a.Size
	}
	s.mu.Lock()
	s.used = used
	s.mu.Unlock()
	return used, nil
}

// Space is how many bytes content takes, how many are free, and how large the disk is; the last two are 0 where they can't be known.
func (s *Store) Space() (used, free, total int64, err error) {
	if used, err = s.Used(); err != nil {
		return 0, 0, 0, err
	}
	free, total, err = s.fs.Space(s.dir)
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return used, free, total, err
}

// added counts what was added to the store.
func (s *Store) added(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used >= 0 {
		s.used += n
	}
}

// Evict removes assets that keep doesn't want, those first that weren't needed for the longest time, until need more bytes fit. It
// gives the number and bytes of those that went. One that can't be removed doesn't save the others.
func (s *Store) Evict(need int64, keep func(digest.Digest) bool) (files int, bytes int64, err error) {
	return s.remove(keep, func() bool { return s.Room(need) == nil })
}

// Sweep removes every asset that keep doesn't want, and gives the number and bytes of those that went. One that can't be
// removed doesn't save the others.
func (s *Store) Sweep(keep func(digest.Digest) bool) (files int, bytes int64, err error) {
	return s.remove(keep, func() bool { return false })
}

func (s *Store) remove(keep func(digest.Digest) bool, enough func() bool) (files int, bytes int64, err error) {
	assets, err := s.Assets()
	if err != nil {
		return 0, 0, err
	}
	assets = slices.DeleteFunc(assets, func(a Asset) bool { return keep(a.Digest) })
	slices.SortStableFunc(assets, func(a, b Asset) int {
		return cmp.Or(compareBool(b.Partial, a.Partial), a.Needed.Compare(b.Needed))
	})
	var failures []error
	for _, a := range assets {
		if enough() {
			break
		}
		if err := s.Remove(a); err != nil {
			failures = append(failures, err)
			continue
		}
		files, bytes = files+1, bytes+a.Size
	}
	return files, bytes, errors.Join(failures...)
}

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
