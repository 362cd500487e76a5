package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"vitrine/content/digest"
)

// How a group gathers: until there are so many, or nobody else is being written, or that long.
const (
	groupSize  = 128
	gatherTime = 250 * time.Millisecond
	// syncsAtOnce is how many files are synced side by side: the disk orders them better than we could.
	syncsAtOnce = 32
)

// A committer makes finished assets durable and gives them their names, many at once: each sync costs the disk the same whether it is
// for one file or for fifty, and flash wears by it. While one group is on its way to the disk the next one gathers.
type committer struct {
	mu      sync.Mutex
	waiting []*commit
	busy    bool
	// open counts the Writers that have bytes and haven't ended; news is poked when it or waiting changes.
	open int
	news chan struct{}
	work sync.WaitGroup
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
	c.poke()
	return <-one.done
}

// opened counts Writers that have got their first bytes, or, with -1, ended.
func (c *committer) opened(n int) {
	c.mu.Lock()
	c.open += n
	c.mu.Unlock()
	c.poke()
}

func (c *committer) poke() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// run ends when nobody waits any more.
func (c *committer) run() {
	for {
		c.gather()
		c.mu.Lock()
		group := c.waiting[:min(len(c.waiting), groupSize)]
		c.waiting = c.waiting[len(group):]
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

// gather waits for more to commit, if there is anything to wait for.
func (c *committer) gather() {
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	for {
		c.mu.Lock()
		n, open := len(c.waiting), c.open
		c.mu.Unlock()
		if n == 0 || n >= groupSize || n >= open {
			return
		}
		select {
		case <-c.news:
		case <-timer.C:
			return
		}
	}
}

// commitGroup brings the bytes of all to the disk, then their names.
func commitGroup(group []*commit) {
	for _, one := range group {
		// Here and not before each sync: it changes what the syncs of others would have to write again.
		one.err = one.file.Chmod(0o444)
		one.file.WriteBack()
	}
	var syncs errgroup.Group
	syncs.SetLimit(syncsAtOnce)
	for _, one := range group {
		syncs.Go(func() error {
			if one.err == nil {
				one.err = one.finish()
			}
			return nil
		})
	}
	_ = syncs.Wait()
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
