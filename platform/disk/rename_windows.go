package disk

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"

	"vitrine/platform/backoff"
)

// renamePatience is how long Rename waits for whoever has the file open that it is to replace.
const renamePatience = 2 * time.Second

// rename is os.Rename, tried again while the file that is to be replaced is in use: Windows refuses that, where a reader, a virus scanner or another rename to
// the same name has it open just then (golang/go#32188).
func rename(from, to string) error {
	deadline := time.Now().Add(renamePatience)
	pauses := backoff.Backoff{Base: time.Millisecond, Max: 50 * time.Millisecond}
	for {
		err := os.Rename(from, to)
		if err == nil || !inUse(err, to) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pauses.Next())
	}
}

// inUse tells whether a rename has failed since a file is open. A folder isn't replaced at any time.
func inUse(err error, to string) bool {
	if !errors.Is(err, windows.ERROR_ACCESS_DENIED) && !errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return false
	}
	info, err := os.Stat(to)
	return err != nil || !info.IsDir()
}
