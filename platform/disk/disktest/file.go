package disktest

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

// A file is an open one.
type file struct {
	disk   *Disk
	node   *node
	path   string
	at     int64
	closed bool
}

func (f *file) Read(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch {
	case f.disk.cut:
		return 0, pathError("read", f.path, ErrCut)
	case f.at >= int64(len(f.node.data)):
		return 0, io.EOF
	}
	n := copy(b, f.node.data[f.at:])
	f.at += int64(n)
	return n, nil
}

// Write writes half of the bytes if the disk becomes full.
func (f *file) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.closed {
		return 0, fs.ErrClosed
	}
	err := f.disk.step(true)
	if errors.Is(err, syscall.ENOSPC) {
		b = b[:len(b)/2]
	} else if err != nil {
		return 0, pathError("write", f.path, err)
	}
	w := write{f.at, append([]byte{}, b...)}
	f.node.put(w, false)
	f.node.pending = append(f.node.pending, w)
	f.at += int64(len(b))
	return len(b), pathError("write", f.path, err)
}

func (f *file) Seek(offset int64, whence int) (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.at
	case io.SeekEnd:
		offset += int64(len(f.node.data))
	}
	f.at = offset
	return offset, nil
}

func (f *file) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.closed = true
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.node.info(f.path), nil
}

func (f *file) Chmod(mode fs.FileMode) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.step(false)
	if err == nil {
		f.node.mode = mode
	}
	return pathError("chmod", f.path, err)
}

// Reserve fails where a disk would be full.
func (f *file) Reserve(int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return pathError("fallocate", f.path, f.disk.step(true))
}

// WriteBack changes nothing that can be relied on.
func (f *file) WriteBack() {}

// Forget changes nothing.
func (f *file) Forget() {}

func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step(false); err != nil {
		return pathError("truncate", f.path, err)
	}
	f.node.put(write{at: size}, true)
	f.node.pending = append(f.node.pending, write{at: size})
	return nil
}

// Sync makes the bytes durable. After a failure they may be lost, as Linux has it.
func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	err := f.disk.step(true)
	if err == nil {
		f.node.durable, f.node.pending = slices.Clone(f.node.data), nil
	}
	return pathError("sync", f.path, err)
}

// info describes a node.
type info struct {
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (n *node) info(name string) info { return info{name, int64(len(n.data)), n.mode, n.time} }

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return i.time }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
