package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vitrine/content/store"
)

// A folder on a medium that has become read-only: the error must say which file, and not speak of another viewer.
func TestOpenReadOnlyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "content")
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), os.Remove(filepath.Join(dir, "lock")), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	for at := dir; os.Geteuid() == 0 && at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	failure := make(chan error)
	go func() {
		// Root may write everywhere, so that the attempt is made as somebody else. The thread ends with the goroutine.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				failure <- err
				return
			}
		}
		_, err := store.Open(dir, store.Config{})
		failure <- err
	}()
	err = <-failure
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "running") {
		t.Errorf("read-only folder: %v", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}
