// Package store keeps content on disk so that what is there under its name is whole and right, whatever happens to the
// power, and remembers which programme is active.
//
// It owns the content folder: assets named by the hash of their bytes, and the two generations, current and previous. It
// never fetches anything and never decides what is wanted.
package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
	"vitrine/platform/diskspace"
	"vitrine/platform/filelock"
)

// The content folder. An asset with the digest abcd… is assets/ab/abcd…; what is being written is in incoming, on the same
// file system, so that moving it to its place is one rename.
const (
	assetDir    = "assets"
	incomingDir = "incoming"
	lockFile    = "lock"
)

// Reserve is how many bytes stay free, so that state and logs can still be written on a full disk.
const Reserve = 64 << 20

// Config says how to open a Store. Its zero value will do.
type Config struct {
	// Free says how many bytes the file system of a path has left; nil asks the system.
	Free func(path string) (int64, error)
	// Log gets what was found and mended; nil means nothing.
	Log *slog.Logger
}

// A Store is an open content folder. It is safe for concurrent use.
type Store struct {
	dir  string
	free func(string) (int64, error)
	log  *slog.Logger
	lock *filelock.Lock
	// shards tells which folders of assets have a durable name, by the first byte of the digest.
	shards [256]atomic.Bool

	mu          sync.Mutex
	generations generations
}

// Open opens the content folder at dir, which it makes if need be. What a crash left half-written is removed; a folder that
// another process has open is refused. A disk that is full, read-only or damaged is not: what is on it is to play, and
// only what would be written to it fails.
func Open(dir string, c Config) (*Store, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Free == nil {
		c.Free = diskspace.Free
	}
	s := &Store{dir: dir, free: c.Free, log: c.Log}
	if err := s.makeFolder(); err != nil {
		return nil, fmt.Errorf("content folder: %w", err)
	}
	if err := s.prepareWrites(); atomicfile.IsDiskFault(err) {
		s.log.Error("The disk takes no writes: what is on it plays on, and nothing new can be fetched", "err", err)
	} else if err != nil {
		s.Close()
		return nil, fmt.Errorf("content folder: %w", err)
	}
	s.loadGenerations()
	return s, nil
}

// prepareWrites does what has to be done before anything is written.
func (s *Store) prepareWrites() (err error) {
	s.lock, err = filelock.Take(filepath.Join(s.dir, lockFile))
	if errors.Is(err, filelock.ErrLocked) {
		err = fmt.Errorf("%w; is a viewer already running?", err)
	}
	if err != nil {
		return err
	}
	return s.clearIncoming()
}

// Close lets another process open the folder. The store must not be used any more.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Unlock()
}

// makeFolder makes the content folder, and the way to it durable, from the assets up to the folder that was there before.
// Of a folder above that may not be synced, as when this user may pass through it but not read it, only the log tells:
// what is on disk must play in any case.
func (s *Store) makeFolder() error {
	dir := filepath.Clean(s.dir)
	top := filepath.Dir(dir)
	for parent := filepath.Dir(top); parent != top && !exists(top); parent = filepath.Dir(top) {
		top = parent
	}
	if err := os.MkdirAll(filepath.Join(dir, assetDir), 0o755); err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if err := atomicfile.SyncDir(at); err != nil {
			s.log.Warn("A folder's name may be lost in a power cut", "err", err)
		}
		if at == top || at == filepath.Dir(at) {
			return nil
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// clearIncoming removes what was being written when the power went.
func (s *Store) clearIncoming() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if halfWritten, _ := filepath.Match(".*.tmp-*", entry.Name()); !halfWritten {
			continue
		}
		if err := os.Remove(filepath.Join(s.dir, entry.Name())); err != nil {
			return err
		}
	}
	incoming := filepath.Join(s.dir, incomingDir)
	if err := os.RemoveAll(incoming); err != nil {
		return err
	}
	return os.Mkdir(incoming, 0o755)
}

// path is where an asset lies.
func (s *Store) path(d digest.Digest) string {
	name := d.Hex()
	return filepath.Join(s.dir, assetDir, name[:2], name)
}

// Has tells whether an asset is here with its right length. It doesn't read it: its bytes were right when it was put. A
// file of another length, which only a damaged file system makes, is set aside, so that the asset is fetched again. But if
// its bytes are right, then size is wrong: the file stays, since a programme that plays may need it.
func (s *Store) Has(d digest.Digest, size int64) bool {
	info, err := os.Stat(s.path(d))
	if err != nil {
		return false
	}
	if info.Mode().IsRegular() && info.Size() == size {
		return true
	}
	if s.Verify(context.Background(), d) != nil {
		s.SetAside(d)
	}
	return false
}

// SetAside takes a damaged asset away from its name; the next Open removes it.
func (s *Store) SetAside(d digest.Digest) {
	damaged := filepath.Join(s.dir, incomingDir, d.Hex()+".damaged")
	switch err := os.Rename(s.path(d), damaged); {
	case err == nil:
		s.log.Warn("A file on disk was damaged and is set aside; it will be fetched again", "digest", d.Short())
	case !errors.Is(err, fs.ErrNotExist):
		s.log.Error("A damaged file can't be set aside", "digest", d.Short(), "err", err)
	}
}

// Open opens an asset for reading. The error is fs.ErrNotExist if it isn't here.
func (s *Store) Open(d digest.Digest) (*os.File, error) { return os.Open(s.path(d)) }

// Verify reads an asset again and compares; the error is a *MismatchError if its bytes have changed.
func (s *Store) Verify(ctx context.Context, d digest.Digest) error {
	f, err := s.Open(d)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &contextReader{ctx, f}); err != nil {
		return err
	}
	return check(d, h)
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
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

// A SpaceError says that something doesn't fit on the disk.
type SpaceError struct{ Need, Free int64 }

func (e *SpaceError) Error() string {
	return fmt.Sprintf("the disk is too small: %d MB more are needed, and of the %d MB that are free %d MB must stay so",
		(e.Need+1e6-1)/1e6, e.Free/1e6, int64(Reserve)/1e6)
}

// Room says whether need more bytes fit; the error is a *SpaceError if they don't.
func (s *Store) Room(need int64) error {
	free, err := s.free(s.dir)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	if need > 0 && free-need < Reserve {
		return &SpaceError{Need: need, Free: free}
	}
	return nil
}

// syncDirs makes the way from the content folder to an asset durable. The name of its shard is synced once in every run,
// whoever made it: a run that was cut off may not have come to that.
func (s *Store) syncDirs(d digest.Digest) error {
	shard := filepath.Dir(s.path(d))
	if err := atomicfile.SyncDir(shard); err != nil || s.shards[d[0]].Load() {
		return err
	}
	err := atomicfile.SyncDir(filepath.Dir(shard))
	s.shards[d[0]].Store(err == nil)
	return err
}
