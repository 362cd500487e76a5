// Package atomicfile writes small state files so that a reader, after any crash or power cut, finds either the whole old
// content or the whole new one.
//
// It owns the order of the four steps that make this true (write to a temporary name, sync, rename, sync of the folder), and the temporary names
// that a power cut leaves, and nothing else: it never retries (package disk may), and it never decides what to do with a file that can't be written.
package atomicfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"vitrine/platform/disk"
)

// Write replaces the file at path by data, with the given permissions, and returns once the new content and its name are
// on stable storage. After an error, which names path and not the temporary file, the file at path is as it was. The folder must exist. Concurrent writers of one
// path don't mix their bytes: one of them wins.
func Write(path string, data []byte, perm os.FileMode) error {
	return WriteOn(disk.OS{}, path, data, perm)
}

// WriteOn is Write on another file system.
func WriteOn(fsys disk.FS, path string, data []byte, perm os.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, temporary, err := create(fsys, filepath.Join(dir, "."+filepath.Base(path)+".tmp-"), perm)
	if err != nil {
		return naming(path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close() // a second time does no harm
			_ = fsys.Remove(temporary)
			err = naming(path, err)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, path); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// naming makes an error name the file that was to be written: the temporary one is another each time, so that the same failure would be news each time.
func naming(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		e.Path = path
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: e.Op, Path: path, Err: e.Err}
	}
	return err
}

// create makes a new file whose name begins so.
func create(fsys disk.FS, prefix string, perm os.FileMode) (disk.File, string, error) {
	for {
		name := fmt.Sprintf("%s%08x", prefix, rand.Uint32())
		f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, name, err
		}
	}
}

// temporaries are the names of what create makes.
var temporaries = ".*.tmp-" + strings.Repeat("[0-9a-f]", 8)

// Temporary tells whether a name is one of those.
func Temporary(name string) bool {
	ours, _ := filepath.Match(temporaries, name) // the pattern is right
	return ours
}

// Sweep removes from a folder the files that the power was cut, or a process killed, in the middle of writing. Nobody may write there meanwhile. A folder that
// isn't there has none.
func Sweep(fsys disk.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if Temporary(entry.Name()) && entry.Type().IsRegular() {
			err = errors.Join(err, fsys.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	return err
}

// IsDiskFault tells whether an error says that the disk takes no more writes: it is full, was made read-only, as Linux does
// after damage, or failed. What is on it may still be read.
func IsDiskFault(err error) bool { return disk.Full(err) || disk.ReadOnly(err) || disk.Failing(err) }

// WriteJSON is Write of v as indented JSON with a final newline, for state that a person may want to read.
func WriteJSON(path string, v any, perm os.FileMode) error {
	return WriteJSONOn(disk.OS{}, path, v, perm)
}

// WriteJSONOn is WriteJSON on another file system.
func WriteJSONOn(fsys disk.FS, path string, v any, perm os.FileMode) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return WriteOn(fsys, path, append(data, '\n'), perm)
}
