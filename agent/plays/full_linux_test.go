package plays_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"vitrine/agent/plays"
)

// A disk that is full for days doesn't fill with empty files, of which a small one has room for a few thousand only.
func TestFullDiskGetsNoNewFiles(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a small file system needs root")
		}
		t.Skip("a small file system needs root")
	}
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "plays")
	s := open(t, dir, plays.Config{})
	for n := range 10 {
		s.Add(play(n))
	}
	run(t, s)
	fill := filepath.Join(disk, "fill")
	if err := os.WriteFile(fill, bytes.Repeat([]byte("x"), 64<<10), 0o600); err == nil {
		t.Fatal("the disk isn't full")
	}
	const flushes = 100
	for n := range flushes {
		s.Add(play(10 + n))
		run(t, s)
	}
	// A file in which a page had room for a part, and the one after it.
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	var got []int
	for b := batch(t, s); b != nil; b = batch(t, s) {
		got = append(got, b...)
		s.Sent()
	}
	seen := map[int]bool{}
	for _, n := range got {
		seen[n] = true
	}
	if waiting, lost := s.Status(); len(seen) != 10+flushes || waiting != 0 || lost != 0 {
		t.Errorf("%d of %d were sent, %d wait, %d are lost", len(seen), 10+flushes, waiting, lost)
	}
}
