package kiosk

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// On a disk that takes no writes any more the browser's profile is made elsewhere: empty, at each start, and ours alone.
func TestProfileOnReadOnlyDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this needs root")
		}
		t.Skip("this needs root")
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	defer func(before []string) { spare = before }(spare)
	spare = []string{filepath.Join(dir, "none"), elsewhere}
	k := New(Config{Command: []string{"browser", "{profile}"}, Profile: filepath.Join(dir, "browser")})
	done := make(chan error)
	go func() {
		// The mount is this thread's, which ends with the goroutine.
		runtime.LockOSThread()
		done <- errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", dir, "tmpfs", 0, ""), os.MkdirAll(k.config.Profile, 0o700), unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		if err := os.Mkdir(k.config.Profile+"2", 0o700); !errors.Is(err, syscall.EROFS) {
			t.Errorf("the disk takes writes: %v", err)
		}
		for range 2 {
			c, err := k.command(t.Context(), "")
			if err != nil {
				t.Errorf("there is no browser: %v", err)
				break
			}
			entries, err := os.ReadDir(c.Dir)
			if filepath.Dir(c.Dir) != elsewhere || c.Args[1] != c.Dir || len(entries) != 0 || err != nil {
				t.Errorf("it is to run in %s, as %v; there are %v, %v", c.Dir, c.Args, entries, err)
			}
			if err := os.WriteFile(filepath.Join(c.Dir, "lock"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
		close(done)
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	<-done
}
