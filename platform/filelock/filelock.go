// Package filelock keeps two processes off one folder.
//
// It owns the lock alone. The system drops it when the process ends in whatever way, so that no stale lock needs removing.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("another process is using it")

// A Lock is held until Unlock or the end of the process.
type Lock struct{ file *os.File }

// Take locks the file at path, which it makes if need be. It doesn't wait: the error wraps ErrLocked if another process,
// or another Lock of this one, holds it.
func Take(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Unlock gives the lock back. The file stays: removing it could remove the lock of the next holder.
func (l *Lock) Unlock() error { return l.file.Close() }
