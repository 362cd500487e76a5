package service

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// owner is who a file belongs to, and what its permissions are.
func owner(t *testing.T, path string) (uid, gid uint32, mode os.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return stat.Uid, stat.Gid, info.Mode().Perm()
}

// What is the service's becomes so, and nothing else does, whatever links whoever has written there has made.
func TestOwnership(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("giving files away needs root")
		}
		t.Skip("giving files away needs root")
	}
	const nobody = 65534
	outside, dir := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	file := filepath.Join(dir, "deep", "down", "file")
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(secret, nil, 0o600), os.WriteFile(file, nil, 0o600),
		os.Symlink(secret, filepath.Join(dir, "link")), os.Symlink(outside, filepath.Join(dir, "folder")), os.Link(secret, filepath.Join(dir, "other-name")),
		give(dir, nobody, nobody),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if uid, _, _ := owner(t, file); uid != nobody {
		t.Errorf("the file is %d's", uid)
	}
	for _, path := range []string{secret, outside} {
		if uid, _, _ := owner(t, path); uid != 0 {
			t.Errorf("%s is %d's: a link was followed", path, uid)
		}
	}
	// Root works in the folder while the service is stopped.
	written := filepath.Join(dir, "new")
	if err := os.WriteFile(written, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := GiveBack(dir); err != nil {
		t.Fatal(err)
	}
	if uid, _, _ := owner(t, written); uid != nobody {
		t.Errorf("what root has written is %d's", uid)
	}
}

// A settings file that only root may read is made readable for the service's group, and stays root's.
func TestSharedSettings(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("giving files away needs root")
		}
		t.Skip("giving files away needs root")
	}
	const nogroup = 65534
	dir := t.TempDir()
	file, outside := filepath.Join(dir, "vitrine.toml"), filepath.Join(t.TempDir(), "shadow")
	for _, err := range []error{os.WriteFile(file, nil, 0o600), os.WriteFile(outside, nil, 0o600), os.Symlink(outside, filepath.Join(dir, "link")), share(dir, nogroup)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if uid, gid, mode := owner(t, file); uid != 0 || gid != nogroup || mode != 0o640 {
		t.Errorf("the settings are %d's and group %d's, %o", uid, gid, mode)
	}
	if _, gid, mode := owner(t, dir); gid != nogroup || mode != 0o770 {
		t.Errorf("the folder is group %d's, %o", gid, mode)
	}
	if _, gid, mode := owner(t, outside); gid != 0 || mode != 0o600 {
		t.Errorf("a link was followed: group %d, %o", gid, mode)
	}
}
