// Package store keeps content on disk so that what is there under its name is whole and right, whatever happens to the
// power, and remembers which programme is active.
//
// It owns the content folder: assets named by the hash of their bytes, those on their way, the two generations, current and
// previous, and the list of what is pinned. It never fetches anything and never decides what is wanted.
package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
	"vitrine/platform/disk"
	"vitrine/platform/filelock"
)

// The content folder. An asset with the digest abcd… is assets/a/abcd…; what is being written is in incoming, on the same
// file system, so that moving it to its place is one rename. Each folder into which something is moved costs a write of its own, so that
// sixteen of them are better than more; file systems find a name among thousands.
const (
	assetDir    = "assets"
	incomingDir = "incoming"
	lockFile    = "lock"
)

// Config says how to open a Store. Its zero value will do.
type Config struct {
	// FS is the file system; nil means the operating system's.
	FS disk.FS
	// Reserve is how much of the disk stays free, so that state and logs can still be written; zero is 5 % of it, but at least
	// MinReserve and at most 2 GiB.
	Reserve Amount
	// Quota is how much of the disk content may take; zero is all but the reserve.
	Quota Amount
	// ReadOnly opens the folder beside the viewer that uses it: nothing is locked, made, mended or removed.
	ReadOnly bool
	// Log gets what was found and mended; nil means nothing.
	Log *slog.Logger
}

// A Store is an open content folder. It is safe for concurrent use.
type Store struct {
	dir    string
	config Config
	fs     disk.FS
	log    *slog.Logger
	lock   io.Closer
	// shards tells which folders of assets have a durable name, by the first digit of the digest.
	shards [16]atomic.Bool

	mu          sync.Mutex
	generations generations
	pins        map[digest.Digest]Pin
	// vouched are the assets that this run has written or read, or that a generation vouches for.
	vouched map[digest.Digest]struct{}
	// doubted are those that couldn't be read in this run.
	doubted map[digest.Digest]struct{}
	// writing are the assets that a Writer is at work on.
	writing map[digest.Digest]bool
	commits committer

	// used is how many bytes assets take; negative if that isn't known.
	used int64
}

// Open opens the content folder at dir, which it makes if need be. What a crash left half-written is removed, but for what a
// Writer can go on with; a folder that another process has open is refused. A disk that is full, read-only or damaged is
// not: what is on it is to play, and only what would be written to it fails. It takes the same time for any number of assets.
func Open(dir string, c Config) (*Store, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = disk.OS{}
	}
	s := &Store{dir: dir, config: c, fs: c.FS, log: c.Log, used: -1,
		vouched: map[digest.Digest]struct{}{}, doubted: map[digest.Digest]struct{}{}, writing: map[digest.Digest]bool{}, pins: map[digest.Digest]Pin{}, commits: committer{news: make(chan struct{}, 1)}}
	if c.ReadOnly {
		return s, s.openReadOnly()
	}
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
	s.loadPins()
	return s, nil
}

func (s *Store) openReadOnly() error {
	if _, err := s.fs.Stat(filepath.Join(s.dir, assetDir)); err != nil {
		return fmt.Errorf("content folder: %w", err)
	}
	s.loadGenerations()
	s.loadPins()
	return nil
}

// prepareWrites does what has to be done before anything is written.
func (s *Store) prepareWrites() (err error) {
	s.lock, err = s.fs.Lock(filepath.Join(s.dir, lockFile))
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
	s.commits.work.Wait()
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// makeFolder makes the content folder, and the way to it durable, from the assets up to the folder that was there before.
// Of a folder above that may not be synced, as when this user may pass through it but not read it, only the log tells:
// what is on disk must play in any case.
func (s *Store) makeFolder() error {
	dir := filepath.Clean(s.dir)
	top := filepath.Dir(dir)
	for parent := filepath.Dir(top); parent != top && !s.exists(top); parent = filepath.Dir(top) {
		top = parent
	}
	if err := s.mkdirAll(filepath.Join(dir, assetDir)); err != nil {
		return err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if err := s.fs.SyncDir(at); err != nil {
			s.log.Warn("A folder's name may be lost in a power cut", "err", err)
		}
		if at == top || at == filepath.Dir(at) {
			return nil
		}
	}
}

func (s *Store) mkdirAll(path string) error {
	if info, err := s.fs.Stat(path); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(path); parent != path && !s.exists(parent) {
		if err := s.mkdirAll(parent); err != nil {
			return err
		}
	}
	return s.mkdir(path)
}

// mkdir makes a folder that may be there.
func (s *Store) mkdir(path string) error {
	err := s.fs.Mkdir(path)
	if info, known := s.fs.Stat(path); err != nil && known == nil && info.IsDir() {
		return nil
	}
	return err
}

func (s *Store) exists(path string) bool {
	_, err := s.fs.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// clearIncoming removes what was being written when the power went, and can't be gone on with.
func (s *Store) clearIncoming() error {
	incoming := filepath.Join(s.dir, incomingDir)
	if err := s.mkdir(incoming); err != nil {
		return err
	}
	for _, dir := range []string{s.dir, incoming} {
		entries, err := s.fs.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			keep := !atomicfile.Temporary(entry.Name())
			if dir == incoming {
				keep = s.resumable(entry.Name())
			}
			if keep {
				continue
			}
			if err := s.removeAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeAll removes a file, or a folder with what is in it.
func (s *Store) removeAll(path string) error {
	if err := s.fs.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	entries, _ := s.fs.ReadDir(path)
	for _, entry := range entries {
		if err := s.removeAll(filepath.Join(path, entry.Name())); err != nil {
			return err
		}
	}
	return s.fs.Remove(path)
}

// path is where an asset lies.
func (s *Store) path(d digest.Digest) string {
	name := d.Hex()
	return filepath.Join(s.dir, assetDir, name[:1], name)
}

// readFile reads a small file of the folder.
func (s *Store) readFile(name string, most int64) ([]byte, error) {
	f, err := s.fs.OpenFile(filepath.Join(s.dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}
