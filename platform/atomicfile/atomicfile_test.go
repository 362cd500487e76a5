package atomicfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"vitrine/platform/atomicfile"
)

func TestWriteReplacesWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	for _, content := range []string{"first, and rather longer", "second"} {
		if err := atomicfile.Write(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("read %q, %v; want %q", got, err, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 { // where permissions are the folder's
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	assertOnly(t, path)
}

// A reader that looks at any moment must see one writer's whole content, and no temporary file may be left behind.
func TestConcurrentWritersDontMix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if err := atomicfile.Write(path, bytes.Repeat([]byte{byte('a' + i)}, 4096), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4096 || bytes.Count(got, got[:1]) != 4096 {
		t.Errorf("content of several writers is mixed: %d bytes", len(got))
	}
	assertOnly(t, path)
}

func TestFailureLeavesOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("x"), 0o644); err == nil {
		t.Fatal("replaced a folder by a file")
	}
	assertOnly(t, path)
	if err := atomicfile.WriteJSON(filepath.Join(dir, "f"), func() {}, 0o644); err == nil {
		t.Fatal("wrote a function as JSON")
	}
	assertOnly(t, path)
}

func assertOnly(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("folder holds %v, want only %s", entries, filepath.Base(path))
	}
}

func TestIsDiskFault(t *testing.T) {
	full, failed := error(syscall.ENOSPC), error(syscall.EIO)
	if runtime.GOOS == "windows" {
		full, failed = syscall.Errno(112), syscall.Errno(1117) // ERROR_DISK_FULL, ERROR_IO_DEVICE
	}
	for _, err := range []error{&os.PathError{Err: full}, fmt.Errorf("x: %w", full), failed} {
		if !atomicfile.IsDiskFault(err) {
			t.Errorf("%v is one", err)
		}
	}
	for _, err := range []error{nil, os.ErrPermission, os.ErrNotExist} {
		if atomicfile.IsDiskFault(err) {
			t.Errorf("%v is none", err)
		}
	}
}
