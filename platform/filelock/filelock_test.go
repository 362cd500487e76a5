package filelock_test

import (
	"errors"
	"path/filepath"
	"testing"

	"vitrine/platform/filelock"
)

func TestTakeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := filelock.Take(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := filelock.Take(path); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("second lock: %v, want ErrLocked", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := filelock.Take(path)
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	again.Unlock()
	if _, err := filelock.Take(filepath.Join(path, "below a file")); err == nil || errors.Is(err, filelock.ErrLocked) {
		t.Errorf("an impossible path: %v", err)
	}
}
