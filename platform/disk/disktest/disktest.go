// Package disktest has a file system in memory for tests, of which any operation can be made to fail, and the power be cut between any
// two.
//
// It owns a model of what a power cut leaves, which is as bad as disk.FS allows: bytes and names that weren't synced may be there
// or not, each by chance, whatever their order. It is never a model of speed.
package disktest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"vitrine/platform/disk"
	"vitrine/platform/filelock"
)

// ErrCut is what every operation gives after the power was cut.
var ErrCut = errors.New("the power is cut")

// A Mode is a way in which an operation fails.
type Mode string

// The modes.
const (
	// Fail makes the one operation fail with EIO, as a bad sector does.
	Fail Mode = "EIO"
	// Full makes it fail with ENOSPC, if it needs room; a write writes half of its bytes.
	Full Mode = "ENOSPC"
	// ReadOnly makes it and all that change anything after it fail with EROFS.
	ReadOnly Mode = "EROFS"
	// Cut cuts the power just before it; to cut it just after, cut it before the next one.
	Cut Mode = "power cut"
)

// A node is a file or a folder.
type node struct {
	dir  bool
	mode fs.FileMode
	time time.Time
	// data are a file's bytes, durable those that a power cut leaves in any case, and pending the later writes.
	data, durable []byte
	pending       []write
	// names are what is in a folder, and synced those that a power cut leaves in any case.
	names, synced map[string]*node
}

// A write is one that isn't durable yet; one without bytes is a truncation to at.
type write struct {
	at    int64
	bytes []byte
}

func newDir() *node {
	return &node{dir: true, mode: fs.ModeDir | 0o755, names: map[string]*node{}, synced: map[string]*node{}}
}

// A change is one of names that isn't durable yet. It is done whole or not at all.
type change struct {
	from, to         *node // folders; nil if it has no such side
	fromName, toName string
	moved            *node
}

func (c change) apply(names func(*node) map[string]*node) {
	if c.from != nil {
		delete(names(c.from), c.fromName)
	}
	if c.to != nil {
		names(c.to)[c.toName] = c.moved
	}
}

// A Disk is a file system in memory; it implements disk.FS. It is safe for concurrent use.
type Disk struct {
	mu      sync.Mutex
	root    *node
	changes []change
	locked  map[string]bool
	free    int64
	// steps counts the operations that change something.
	steps  int
	failAt int
	mode   Mode
	cut    bool
	random *rand.Rand
}

// New makes an empty disk with so much room.
func New(free int64) *Disk {
	return &Disk{root: newDir(), locked: map[string]bool{}, free: free, random: rand.New(rand.NewPCG(1, 1))}
}

// FailAt has the n-th operation that changes something fail, counted from now and from 1; 0 has none fail any more.
func (d *Disk) FailAt(n int, mode Mode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps, d.failAt, d.mode = 0, n, mode
}

// Steps is how many operations have changed something since FailAt.
func (d *Disk) Steps() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.steps
}

// step counts an operation, and gives the error that it is to fail with. d.mu is held.
func (d *Disk) step(needsRoom bool) error {
	if d.cut {
		return ErrCut
	}
	d.steps++
	if d.failAt == 0 || d.steps < d.failAt || d.steps > d.failAt && d.mode != ReadOnly {
		return nil
	}
	switch d.mode {
	case Fail:
		return syscall.EIO
	case Full:
		if needsRoom {
			return syscall.ENOSPC
		}
		return nil
	case ReadOnly:
		return syscall.EROFS
	}
	d.cut = true
	return ErrCut
}

// AfterCut is the disk as it is found when the power is back. The seed decides what is left of what wasn't synced.
func (d *Disk) AfterCut(seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := rand.New(rand.NewPCG(seed, 2))
	kept := slices.DeleteFunc(slices.Clone(d.changes), func(change) bool { return r.IntN(2) == 0 })
	after := New(d.free)
	copies := map[*node]*node{}
	after.root = survivor(d.root, kept, copies, r)
	return after
}

// survivor copies what is left of a node.
func survivor(n *node, kept []change, copies map[*node]*node, r *rand.Rand) *node {
	if c, ok := copies[n]; ok {
		return c
	}
	c := &node{dir: n.dir, mode: n.mode, time: n.time}
	copies[n] = c
	if !n.dir {
		c.data = slices.Clone(n.durable)
		for _, w := range n.pending {
			if r.IntN(2) == 0 {
				c.put(write{w.at, w.bytes[:r.IntN(len(w.bytes)+1)]}, w.bytes == nil)
			}
		}
		c.durable = slices.Clone(c.data)
		return c
	}
	names := maps.Clone(n.synced)
	for _, change := range kept {
		change.apply(func(dir *node) map[string]*node {
			if dir == n {
				return names
			}
			return map[string]*node{}
		})
	}
	c.names, c.synced = map[string]*node{}, map[string]*node{}
	for name, child := range names {
		c.names[name] = survivor(child, kept, copies, r)
		c.synced[name] = c.names[name]
	}
	return c
}

// put does a write.
func (n *node) put(w write, truncation bool) {
	if truncation {
		if w.at <= int64(len(n.data)) {
			n.data = n.data[:w.at:w.at]
		}
		return
	}
	if grow := w.at + int64(len(w.bytes)) - int64(len(n.data)); grow > 0 {
		n.data = append(n.data, make([]byte, grow)...)
	}
	copy(n.data[w.at:], w.bytes)
}

// find walks to a path. d.mu is held.
func (d *Disk) find(path string) (*node, error) {
	n := d.root
	for _, part := range parts(path) {
		if !n.dir {
			return nil, syscall.ENOTDIR
		}
		next, ok := n.names[part]
		if !ok {
			return nil, fs.ErrNotExist
		}
		n = next
	}
	return n, nil
}

func parts(path string) []string {
	return strings.FieldsFunc(filepath.ToSlash(filepath.Clean(path)), func(r rune) bool { return r == '/' })
}

// parent walks to the folder of a path.
func (d *Disk) parent(path string) (*node, string, error) {
	n, err := d.find(filepath.Dir(filepath.Clean(path)))
	if err == nil && !n.dir {
		err = syscall.ENOTDIR
	}
	return n, filepath.Base(path), err
}

func (d *Disk) change(c change) {
	c.apply(func(n *node) map[string]*node { return n.names })
	d.changes = append(d.changes, c)
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// OpenFile opens a file.
func (d *Disk) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.open(path, flag, perm)
	if err != nil {
		return nil, pathError("open", path, err)
	}
	return f, nil
}

func (d *Disk) open(path string, flag int, perm fs.FileMode) (*file, error) {
	if d.cut {
		return nil, ErrCut
	}
	dir, name, err := d.parent(path)
	if err != nil {
		return nil, err
	}
	n, there := dir.names[name]
	switch {
	case there && flag&os.O_EXCL != 0:
		return nil, fs.ErrExist
	case !there && flag&os.O_CREATE == 0:
		return nil, fs.ErrNotExist
	case there && n.dir:
		return nil, syscall.EISDIR
	case !there:
		if err := d.step(true); err != nil {
			return nil, err
		}
		n = &node{mode: perm, time: time.Now()}
		d.change(change{to: dir, toName: name, moved: n})
	case flag&os.O_TRUNC != 0:
		if err := d.step(false); err != nil {
			return nil, err
		}
		n.data, n.pending = nil, append(n.pending, write{at: 0})
	}
	return &file{disk: d, node: n, path: path}, nil
}

// Rename gives a file another name.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(true); err != nil {
		return pathError("rename", from, err)
	}
	a, fromName, err := d.parent(from)
	if err != nil {
		return pathError("rename", from, err)
	}
	moved, ok := a.names[fromName]
	if !ok {
		return pathError("rename", from, fs.ErrNotExist)
	}
	b, toName, err := d.parent(to)
	if err == nil && b.names[toName] != nil && b.names[toName].dir {
		err = syscall.EISDIR
	}
	if err != nil {
		return pathError("rename", to, err)
	}
	d.change(change{from: a, fromName: fromName, to: b, toName: toName, moved: moved})
	return nil
}

// Remove removes a file or an empty folder.
func (d *Disk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, name, err := d.parent(path)
	if err == nil && dir.names[name] == nil {
		err = fs.ErrNotExist
	}
	if err == nil && len(dir.names[name].names) > 0 {
		err = syscall.ENOTEMPTY
	}
	if err == nil {
		err = d.step(false)
	}
	if err == nil {
		d.change(change{from: dir, fromName: name})
	}
	return pathError("remove", path, err)
}

// Mkdir makes a folder.
func (d *Disk) Mkdir(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir, name, err := d.parent(path)
	if err == nil && dir.names[name] != nil {
		err = fs.ErrExist
	}
	if err == nil {
		err = d.step(true)
	}
	if err == nil {
		d.change(change{to: dir, toName: name, moved: newDir()})
	}
	return pathError("mkdir", path, err)
}

// ReadDir lists a folder.
func (d *Disk) ReadDir(path string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return nil, pathError("readdir", path, ErrCut)
	}
	n, err := d.find(path)
	if err == nil && !n.dir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, pathError("readdir", path, err)
	}
	var list []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		list = append(list, fs.FileInfoToDirEntry(n.names[name].info(name)))
	}
	return list, nil
}

// Stat describes a file.
func (d *Disk) Stat(path string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut {
		return nil, pathError("stat", path, ErrCut)
	}
	n, err := d.find(path)
	if err != nil {
		return nil, pathError("stat", path, err)
	}
	return n.info(filepath.Base(path)), nil
}

// SetTime sets a file's time.
func (d *Disk) SetTime(path string, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(path)
	if err == nil {
		err = d.step(false)
	}
	if err == nil {
		n.time = t
	}
	return pathError("chtimes", path, err)
}

// SyncDir makes the names in a folder durable.
func (d *Disk) SyncDir(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(path)
	if err == nil {
		err = d.step(true)
	}
	if err != nil {
		return pathError("sync", path, err)
	}
	d.changes = slices.DeleteFunc(d.changes, func(c change) bool {
		touches := c.from == n || c.to == n
		if touches {
			c.apply(func(n *node) map[string]*node { return n.synced })
		}
		return touches
	})
	return nil
}

// Lock takes a lock, which is gone with a power cut.
func (d *Disk) Lock(path string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked[path] {
		return nil, fmt.Errorf("%s: %w", path, filelock.ErrLocked)
	}
	if err := d.step(true); err != nil {
		return nil, pathError("lock", path, err)
	}
	d.locked[path] = true
	return unlocker(func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locked, path)
		return nil
	}), nil
}

type unlocker func() error

func (u unlocker) Close() error { return u() }

// Space is what New was told.
func (d *Disk) Space(string) (free, total int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, d.free, nil
}
