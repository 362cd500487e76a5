package atomicfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vitrine/platform/atomicfile"
	"vitrine/platform/disk"
	"vitrine/platform/disk/disktest"
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
	for _, path := range []string{path, filepath.Join(dir, "none", "f")} { // whose folder isn't there
		first, second := atomicfile.Write(path, []byte("x"), 0o644), atomicfile.Write(path, []byte("x"), 0o644)
		if first == nil || second == nil || first.Error() != second.Error() || !strings.Contains(first.Error(), path) {
			t.Errorf("writing %s: %v, and then %v", path, first, second)
		}
	}
	assertOnly(t, path)
	if err := atomicfile.WriteJSON(filepath.Join(dir, "f"), func() {}, 0o644); err == nil {
		t.Fatal("wrote a function as JSON")
	}
	assertOnly(t, path)
}

// Wherever the power is cut in a write, the file is whole afterwards, and there is nothing beside it once the folder was swept.
func TestSweepAfterPowerCut(t *testing.T) {
	old, fresh := []byte("old"), []byte("new, and rather longer")
	swept := 0
	for at, whole := 1, false; !whole; at++ {
		for seed := range uint64(8) {
			d := disktest.New(1 << 20)
			if err := errors.Join(d.Mkdir("/state"), d.SyncDir("/"), atomicfile.WriteOn(d, "/state/key.pem", old, 0o600)); err != nil {
				t.Fatal(err)
			}
			d.FailAt(at, disktest.Cut)
			whole = atomicfile.WriteOn(d, "/state/key.pem", fresh, 0o600) == nil
			d = d.AfterCut(seed)
			before, _ := d.ReadDir("/state")
			swept += len(before) - 1
			if err := atomicfile.Sweep(d, "/state"); err != nil {
				t.Fatal(err)
			}
			after, err := d.ReadDir("/state")
			if len(after) != 1 || after[0].Name() != "key.pem" || err != nil {
				t.Fatalf("cut at %d: there are %v, %v", at, after, err)
			}
		}
	}
	if swept == 0 {
		t.Error("nothing was ever left; this tests nothing")
	}
}

func TestSweepLeavesTheRest(t *testing.T) {
	dir := t.TempDir()
	others := []string{".key.pem.tmp-x", ".key.pem.tmp-0123456", ".key.pem.tmp-0123456z", "key.pem.tmp-01234567", ".key.pem.tmp-012345678"}
	for _, name := range append(others, ".key.pem.tmp-0123cdef") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".folder.tmp-0123cdef"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Sweep(disk.OS{}, dir); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != len(others)+1 || err != nil {
		t.Errorf("there are %v, %v", entries, err)
	}
	if err := atomicfile.Sweep(disk.OS{}, filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
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
	faults := []error{&os.PathError{Err: full}, fmt.Errorf("x: %w", full), failed}
	if runtime.GOOS == "linux" {
		faults = append(faults, syscall.Errno(74), syscall.Errno(117)) // EBADMSG and EUCLEAN, of file systems that are damaged
	}
	for _, err := range faults {
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
