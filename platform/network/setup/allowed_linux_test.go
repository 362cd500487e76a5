package setup

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody has this test be of a user who may nothing, as far as files are concerned, if it is root's.
func asNobody(t *testing.T, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chmod(filepath.Dir(folder), 0o755); err != nil { // a test's folders are its user's
		t.Fatal(err)
	}
	runtime.LockOSThread()
	if _, err := unix.SetfsuidRetUid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.SetfsuidRetUid(0); runtime.UnlockOSThread() })
}

// Who may not write what is to be written changes nothing, and is told who may.
func TestNotAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		folder string
		mode   os.FileMode
	}{
		"a folder that can't be read":  {"etc/NetworkManager/system-connections", 0},
		"one that can't be written to": {"etc/NetworkManager", 0o555},
	} {
		t.Run(name, func(t *testing.T) {
			s, calls := machine(t, "run/NetworkManager", c.folder)
			dir := s.path(c.folder)
			if err := os.Chmod(dir, c.mode); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
			asNobody(t, s.Root)
			if err := s.Apply(t.Context(), fixed, func(Change) error { return nil }); !errors.Is(err, ErrNotAllowed) {
				t.Error(err)
			}
			if got := calls(); len(got) != 1 || got[0] != "" {
				t.Errorf("called %q", got)
			}
			if entries, err := os.ReadDir(s.path("etc/NetworkManager")); err != nil || len(entries) > 1 {
				t.Errorf("there are %v, %v", entries, err)
			}
		})
	}
}
