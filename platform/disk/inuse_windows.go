package disk

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"vitrine/platform/backoff"
)

// patience is how long whoever has a file open is waited for.
const patience = 2 * time.Second

// patiently does something with a file again while others are at it: a reader, a virus scanner or a rename elsewhere keeps Windows from opening or replacing
// it just then (golang/go#32188).
func patiently(do func() error, inUse func(error) bool) error {
	deadline := time.Now().Add(patience)
	pauses := backoff.Backoff{Base: time.Millisecond, Max: 50 * time.Millisecond}
	for {
		err := do()
		if err == nil || !inUse(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pauses.Next())
	}
}

func openFile(path string, flag int, perm fs.FileMode) (f *os.File, err error) {
	err = patiently(func() (err error) {
		f, err = os.OpenFile(path, flag, perm)
		return err
	}, isShared)
	return f, err
}

func rename(from, to string) error {
	return patiently(func() error { return os.Rename(from, to) }, func(err error) bool {
		return isShared(err) || errors.Is(err, windows.ERROR_ACCESS_DENIED) && mayReplace(to)
	})
}

func isShared(err error) bool { return errors.Is(err, windows.ERROR_SHARING_VIOLATION) }

// mayReplace has a file replaced that is read-only, as content is, which Unix does as well. A folder isn't replaced at any time.
func mayReplace(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true // another rename may be about to replace it
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o200 == 0 {
		_ = os.Chmod(path, 0o600) // whether it helps is seen at once
	}
	return !info.IsDir()
}
