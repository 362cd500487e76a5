package atomicfile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"vitrine/platform/atomicfile"
)

// What root writes into the folder of a service that isn't root's is the service's, as the token that `sudo vitrine-server token create` makes.
func TestRootWritesForTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this needs root")
		}
		t.Skip("this needs root")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "token")
	for range 2 { // a new file, and one in the place of another
		if err := atomicfile.Write(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != 1234 || s.Gid != 2345 || info.Mode().Perm() != 0o600 {
			t.Errorf("it is %d:%d, %v", s.Uid, s.Gid, info.Mode())
		}
	}
}
