package cmd_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"vitrine/agent"
)

// smallDisk mounts a file system of a few megabytes for the length of a test.
func smallDisk(t *testing.T) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=80m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes until nothing more fits.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			block = block[:len(block)/2] // to the last byte
		}
	}
}

// The law: a full disk, and one that the system made read-only after damage, play what is on them after a restart.
func TestDiskThatTakesNoWrites(t *testing.T) {
	disk := smallDisk(t)
	state := filepath.Join(disk, "viewer")
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	viewer, page := view(t, state, s.token(t), "--server", addr)
	viewer.await("Activated a new programme")
	want := awaitStatus(t, page, "playing", playing).Content.Generation
	viewer.kill()

	restart := func(what string) {
		viewer, page := view(t, state, "", "--server", addr)
		viewer.await("Playing what is on disk")
		got := awaitStatus(t, page, "connected and playing", func(s agent.Status) bool { return connected(s) && playing(s) })
		if got.Content.Generation != want {
			t.Errorf("%s: it plays %v, not %v", what, got.Content.Generation, want)
		}
		mustServe(t, page, got)
		viewer.kill()
	}
	fill(t, disk)
	restart("full disk")
	if err := unix.Mount("none", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	restart("read-only disk")
}
