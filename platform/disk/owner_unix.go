//go:build unix

package disk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// inherit gives a file that root has just made to whom its folder belongs, so that a command which somebody runs as root leaves nothing in a service's folder
// that the service can't read. A file that was there before is never given away.
func inherit(f *os.File, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	folder, ok := info.Sys().(*syscall.Stat_t)
	if !ok || folder.Uid == 0 {
		return nil
	}
	if err := f.Chown(int(folder.Uid), int(folder.Gid)); !errors.Is(err, os.ErrPermission) {
		return err
	}
	return nil // root in a container may not; then it is as it was
}
