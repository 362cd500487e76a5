package removable

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mountAt mounts an empty file system for the length of a test, at most.
func mountAt(t *testing.T, dir string) (unmount func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	mounted := true
	unmount = func() {
		if mounted {
			mounted = false
			if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(unmount)
	return unmount
}

// What is mounted is told, also what is there at the start; what is mounted elsewhere isn't.
func TestWatch(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting needs root")
		}
		t.Skip("mounting needs root")
	}
	folder, elsewhere := t.TempDir(), t.TempDir()
	early := filepath.Join(folder, "early")
	mountAt(t, early)
	before := openFiles(t)
	ctx, cancel := context.WithCancel(t.Context())
	changes, done := make(chan Change), make(chan error, 1)
	go func() { done <- (&Sticks{Folders: []string{folder}}).Watch(ctx, func(c Change) { changes <- c }) }()
	next := func(want Change) {
		t.Helper()
		select {
		case got := <-changes:
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%+v wasn't told", want)
		}
	}
	next(Change{Dir: early})
	mountAt(t, filepath.Join(elsewhere, "stick"))
	mountAt(t, filepath.Join(folder, "too", "deep", "down"))
	stick := filepath.Join(folder, "anna", "My Stick")
	unmount := mountAt(t, stick)
	next(Change{Dir: stick})
	unmount()
	next(Change{Dir: stick, Gone: true})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, before there were %d", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
