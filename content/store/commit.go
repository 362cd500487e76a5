package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"vitrine/content/digest"
)

// A committer makes finished assets durable and gives them their names, many at once: each sync costs the disk the same whether it is
// for one file or for fifty, and flash wears by it. While one group is on its way to the disk the next one gathers.
type committer struct {
	mu      sync.Mutex
	waiting []*commit
	busy    bool
	work    sync.WaitGroup
}

// A commit is one finished asset.
type commit struct {
	*Writer
	done chan error
	err  error
}

// do returns once the asset is there after any power cut, or with the reason why it isn't there at all.
func (c *committer) do(w *Writer) error {
	one := &commit{Writer: w, done: make(chan error, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, one)
	if !c.busy {
		c.busy = true
		c.work.Go(c.run)
	}
	c.mu.Unlock()
	return <-one.done
}

// run ends when nobody waits any more.
func (c *committer) run() {
	for {
		c.mu.Lock()
		group := c.waiting
		c.waiting = nil
		c.busy = len(group) > 0
		c.mu.Unlock()
		if len(group) == 0 {
			return
		}
		commitGroup(group)
		for _, one := range group {
			one.done <- one.err
		}
	}
}

// commitGroup brings the bytes of all to the disk, then their names.
func commitGroup(group []*commit) {
	for _, one := range group {
		one.file.WriteBack()
	}
	for _, one := range group {
		one.err = one.finish()
	}
	shards := map[byte]error{}
	for _, one := range group {
		if one.err == nil {
			one.err = one.place()
		}
		if one.err == nil {
			shards[one.digest[0]>>4] = nil
		}
	}
	s := group[0].store
	for shard := range shards {
		shards[shard] = s.syncShard(shard)
	}
	for _, one := range group {
		if err := shards[one.digest[0]>>4]; one.err == nil && err != nil {
			// What may be gone after a power cut must not count as being here.
			_ = s.fs.Remove(s.path(one.digest))
			s.forget(one.digest, -1)
			one.err = fmt.Errorf("the disk did not take the file's name: %w", err)
		}
	}
}

// finish makes the bytes durable.
func (w *Writer) finish() error {
	if err := w.file.Chmod(0o444); err != nil {
		return err
	}
	// A failed sync is final: the kernel may have dropped the bytes and would report success the next time.
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("the disk did not take the file: %w", err)
	}
	return w.file.Close()
}

// place gives the file its name among the assets.
func (w *Writer) place() error {
	s, path := w.store, w.store.path(w.digest)
	if err := s.fs.Mkdir(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	replaced := s.sized(w.digest, w.size)
	if err := s.fs.Rename(w.path, path); err != nil {
		return err
	}
	if !replaced {
		s.added(w.size)
	}
	return nil
}

// syncShard makes the names in a shard durable, and its own: that once in every run, whoever made it, since a run that was cut off may
// not have come to it.
func (s *Store) syncShard(first byte) error {
	shard := filepath.Dir(s.path(digest.Digest{first << 4}))
	if err := s.fs.SyncDir(shard); err != nil || s.shards[first].Load() {
		return err
	}
	err := s.fs.SyncDir(filepath.Dir(shard))
	s.shards[first].Store(err == nil)
	return err
}
