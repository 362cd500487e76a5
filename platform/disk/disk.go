// Package disk is the file system as far as content needs it, behind one interface, so that a test can make any one operation
// fail, and cut the power between any two.
//
// It owns the list of operations and what each promises after a power cut; package disktest has the file system of the tests. It
// never decides in which order they are done: that is what keeps content whole, and is the work of its users.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"vitrine/platform/diskspace"
	"vitrine/platform/filelock"
)

// An FS is a file system. It is safe for concurrent use. Paths are the operating system's.
//
// What a power cut leaves: of a file's bytes, those that were there at the last Sync, and any of the later ones; of a folder's
// names, those that were there at the last SyncDir, and any of the later changes, each of them whole.
type FS interface {
	// OpenFile opens a file, with flags as for os.OpenFile.
	OpenFile(path string, flag int, perm fs.FileMode) (File, error)
	// Rename gives a file another name, in place of the file that had it.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(path string) error
	// Mkdir makes one folder; the error is fs.ErrExist if it is there.
	Mkdir(path string) error
	// ReadDir lists a folder, sorted by name.
	ReadDir(path string) ([]fs.DirEntry, error)
	// Stat describes a file.
	Stat(path string) (fs.FileInfo, error)
	// SetTime sets a file's time of modification.
	SetTime(path string, t time.Time) error
	// SyncDir makes the names in a folder durable.
	SyncDir(path string) error
	// Lock takes the lock file at path, which it makes if need be; another process, or this one, can't take it until it is
	// closed: the error is then filelock.ErrLocked.
	Lock(path string) (io.Closer, error)
	// Space is how many bytes this user may still write on the file system of path, and how large it is. The error is
	// errors.ErrUnsupported where it can't be known.
	Space(path string) (free, total int64, err error)
}

// A File is an open file. It is used by one goroutine at a time, but for Sync, which may run beside writes and covers those that were
// done when it began.
type File interface {
	io.ReadWriteSeeker
	io.Closer
	// Stat describes it.
	Stat() (fs.FileInfo, error)
	// Chmod sets its permissions.
	Chmod(mode fs.FileMode) error
	// Reserve takes room for so many bytes in all, so that a full disk is known at the beginning and the file lies in one piece. The error
	// is errors.ErrUnsupported where that can't be done.
	Reserve(size int64) error
	// WriteBack begins to write to the disk what is in memory, without waiting for it: a Sync is then quicker. It promises nothing.
	WriteBack()
	// Forget drops what is in memory of it, so that what is read comes from the disk, and leaves the memory to others. It promises nothing.
	Forget()
	// Truncate cuts it to a length.
	Truncate(size int64) error
	// Sync makes its bytes durable. One that has failed is final: the system may have dropped them, and would report success the next
	// time.
	Sync() error
}

// OS is the operating system's file system.
type OS struct{}

// OpenFile is os.OpenFile. What root makes (os.O_EXCL) belongs to whom the folder belongs.
func (OS) OpenFile(path string, flag int, perm fs.FileMode) (File, error) {
	f, err := openFile(path, flag, perm)
	if err != nil {
		return nil, err // and not an interface that holds a nil *os.File
	}
	if flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL {
		if err := inherit(f, path); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(path))
		}
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

// Plain is a file for reading, as the operating system's own if it is one: the kernel can then send it without copying.
func Plain(f File) io.ReadSeekCloser {
	if own, ok := f.(osFile); ok {
		return own.File
	}
	return f
}

// Reserve takes room.
func (f osFile) Reserve(size int64) error { return reserve(f.File, size) }

// Forget drops what is in memory.
func (f osFile) Forget() { forget(f.File) }

// WriteBack begins to write.
func (f osFile) WriteBack() { writeBack(f.File) }

// Rename is os.Rename. On Windows it waits a little for whoever has the file open that is to be replaced, as OpenFile does while one is.
func (OS) Rename(from, to string) error { return rename(from, to) }

// Remove is os.Remove.
func (OS) Remove(path string) error { return os.Remove(path) }

// Mkdir is os.Mkdir, with the usual permissions.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o755) }

// ReadDir is os.ReadDir.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Stat is os.Stat.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// SetTime is os.Chtimes.
func (OS) SetTime(path string, t time.Time) error { return os.Chtimes(path, t, t) }

// SyncDir syncs a folder; on systems that can't, it does nothing.
func (OS) SyncDir(path string) error { return syncDir(path) }

// Lock takes a lock by package filelock.
func (OS) Lock(path string) (io.Closer, error) {
	l, err := filelock.Take(path)
	if err != nil {
		return nil, err
	}
	return closer(l.Unlock), nil
}

// Space is by package diskspace.
func (OS) Space(path string) (free, total int64, err error) { return diskspace.Of(path) }

type closer func() error

func (c closer) Close() error { return c() }
