package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
	"vitrine/platform/disk"
)

// Has tells whether an asset is here with its right length, and somebody vouches for its bytes: this run has written or read them,
// or a generation that was activated has them. It doesn't read it.
func (s *Store) Has(d digest.Digest, size int64) bool {
	s.mu.Lock()
	_, vouched := s.vouched[d]
	s.mu.Unlock()
	return vouched && s.sized(d, size)
}

// sized tells whether there is a file of an asset with this length.
func (s *Store) sized(d digest.Digest, size int64) bool {
	info, err := s.fs.Stat(s.path(d))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// Vouch says that these assets were read or written before: an activated generation has them.
func (s *Store) Vouch(ds ...digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range ds {
		s.vouched[d] = struct{}{}
		delete(s.doubted, d)
	}
}

// Doubt says that an asset can't be read, or not always: Adopt wants another copy until the next start, and the file stays until that has come.
func (s *Store) Doubt(d digest.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.vouched, d)
	s.doubted[d] = struct{}{}
}

// Adopt is Has, but it reads a file that nobody vouches for, as one that a run wrote that was cut off, or that a person copied
// there. One that isn't what its name says is set aside, so that it is fetched; one that the disk can't read stays until then. But if only size is wrong the file stays, since a
// programme that plays may need it.
func (s *Store) Adopt(ctx context.Context, d digest.Digest, size int64) bool {
	if s.Has(d, size) {
		return true
	}
	s.mu.Lock()
	_, doubted := s.doubted[d]
	s.mu.Unlock()
	if doubted {
		return false
	}
	if _, err := s.fs.Stat(s.path(d)); err != nil {
		return false
	}
	if err := s.Verify(ctx, d); err != nil {
		switch {
		case ctx.Err() != nil:
		case atomicfile.IsDiskFault(err):
			s.Doubt(d)
		default:
			s.SetAside(d)
		}
		return false
	}
	s.Vouch(d)
	return s.sized(d, size)
}

// SetAside takes a damaged asset away from its name; the next Open removes it.
func (s *Store) SetAside(d digest.Digest) {
	if s.config.ReadOnly {
		return
	}
	damaged := filepath.Join(s.dir, incomingDir, d.Hex()+".damaged")
	err := s.fs.Rename(s.path(d), damaged)
	s.forget(d, -1)
	switch {
	case err == nil:
		s.log.Warn("A file on disk was damaged and is set aside; it will be fetched again", "digest", d.Short())
	case !errors.Is(err, fs.ErrNotExist):
		s.log.Error("A damaged file can't be set aside", "digest", d.Short(), "err", err)
	}
}

// forget takes back that an asset is vouched for, and counts its bytes as gone; if it isn't known how many, all are counted anew.
func (s *Store) forget(d digest.Digest, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.vouched, d)
	if size < 0 || s.used < size {
		s.used = -1
	} else {
		s.used -= size
	}
}

// Open opens an asset for reading. The error is fs.ErrNotExist if it isn't here.
func (s *Store) Open(d digest.Digest) (io.ReadSeekCloser, error) {
	f, err := s.fs.OpenFile(s.path(d), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return disk.Plain(f), nil
}

// Verify reads an asset again and compares; the error is a *MismatchError if its bytes have changed.
func (s *Store) Verify(ctx context.Context, d digest.Digest) error {
	return s.VerifySlowly(ctx, d, func(context.Context, int) error { return nil })
}

// VerifySlowly is Verify of what the disk itself has, and not of what is in memory of it. It calls wait with the number of bytes before
// each piece that it reads. An error of wait ends it.
func (s *Store) VerifySlowly(ctx context.Context, d digest.Digest, wait func(context.Context, int) error) error {
	f, err := s.fs.OpenFile(s.path(d), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	f.Forget()
	defer f.Forget()
	h := sha256.New()
	buffer := make([]byte, bufferSize)
	for {
		if err := errors.Join(ctx.Err(), wait(ctx, len(buffer))); err != nil {
			return err
		}
		n, err := f.Read(buffer)
		h.Write(buffer[:n])
		if errors.Is(err, io.EOF) {
			return check(d, h)
		}
		if err != nil {
			return err
		}
	}
}

// bufferSize is the size of a read or write of an asset.
const bufferSize = 256 << 10

// Touch notes that assets were needed until now: those that weren't for the longest time are evicted first. Of what can't be noted
// nothing is said: it may only be evicted too early.
func (s *Store) Touch(now time.Time, ds ...digest.Digest) {
	for _, d := range ds {
		_ = s.fs.SetTime(s.path(d), now)
	}
}

// An Asset is a file of the store.
type Asset struct {
	Digest digest.Digest
	Size   int64
	// Needed is when it was last noted that it is needed, or else when it came.
	Needed time.Time
	// Partial tells that it hasn't come in whole yet.
	Partial bool
}

// Assets lists every asset, and those that have come in part, sorted by digest.
func (s *Store) Assets() ([]Asset, error) {
	shards, err := s.fs.ReadDir(filepath.Join(s.dir, assetDir))
	if err != nil {
		return nil, err
	}
	var list []Asset
	for _, shard := range shards {
		if !shard.IsDir() {
			continue
		}
		entries, err := s.fs.ReadDir(filepath.Join(s.dir, assetDir, shard.Name()))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			d, err := digest.Parse("sha256:" + entry.Name())
			if err != nil {
				continue // a name that isn't ours isn't ours to list, or to remove
			}
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
				list = append(list, Asset{Digest: d, Size: info.Size(), Needed: info.ModTime()})
			}
		}
	}
	return append(list, s.partials()...), nil
}

// Remove removes an asset, whole or in part.
func (s *Store) Remove(a Asset) error {
	remove := s.removePartial
	if !a.Partial {
		remove = func(d digest.Digest) error { return s.fs.Remove(s.path(d)) }
	}
	err := remove(a.Digest)
	if err == nil {
		s.forget(a.Digest, a.Size)
	}
	return err
}

// A MismatchError says that bytes are not what their name says.
type MismatchError struct{ Want, Got digest.Digest }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("wrong bytes: want %s, got %s", e.Want, e.Got)
}

// A SizeError says that there are more or fewer bytes than there should be.
type SizeError struct{ Want, Got int64 }

func (e *SizeError) Error() string {
	if e.Got > e.Want {
		return fmt.Sprintf("too many bytes: more than the %d that were announced", e.Want)
	}
	return fmt.Sprintf("too few bytes: %d of %d", e.Got, e.Want)
}

func check(want digest.Digest, h hash.Hash) error {
	if got := digest.Digest(h.Sum(nil)); got != want {
		return &MismatchError{Want: want, Got: got}
	}
	return nil
}
