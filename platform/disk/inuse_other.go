//go:build !windows

package disk

import (
	"io/fs"
	"os"
)

func openFile(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag, perm)
}

func rename(from, to string) error { return os.Rename(from, to) }
