package cmd_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/agent/update"
	"vitrine/content/release"
	"vitrine/platform/disk"
)

// The service on a real systemd, from the installation to the removal: process 1 in namespaces of its own.
func TestServiceUnderSystemd(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a systemd of our own needs root")
		}
		t.Skip("a systemd of our own needs root")
	}
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("systemd is missing")
		}
		t.Skip("systemd is missing")
	}
	// As it is released: what the race detector links may do less.
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/vitrine", "./vitrine")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	result := bootSystemd(t, releasesOnDisk(t), dir+"/vitrine", "testdata/service-script")
	if !strings.Contains(result, "all is well\nexit code 0\n") {
		t.Errorf("the script failed:\n%s", result)
	}
}

// releasesOnDisk makes a folder of releases, of which one was kept and one, that ends at once, is to be tried; the file "key" beside it has the key. Both are
// programs for the unit as it is, and not for the race detector.
func releasesOnDisk(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/vitrine", "-ldflags", "-X main.version=2.0", "./vitrine")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := newReleaser(t)
	key, err := release.ParseKey(r.public)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := update.Open(disk.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	r.install(t, folder, "2.0", read(t, dir+"/vitrine"), released)
	if c, ok, err := folder.Choose(update.Base{}, []ed25519.PublicKey{key}, "boot", true); !ok || !c.Trial {
		t.Fatal(err)
	}
	if err := folder.Confirm(); err != nil {
		t.Fatal(err)
	}
	r.install(t, folder, "2.1", []byte("#!/bin/sh\nexit 1\n"), released.Add(time.Hour))
	if err := errors.Join(os.Remove(dir+"/vitrine"), os.WriteFile(dir+"/key", []byte(r.public), 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// bootSystemd runs a script under a systemd of its own, where a folder is /mnt, and gives what it printed.
func bootSystemd(t *testing.T, folder, program, script string) string {
	t.Helper()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	c := exec.CommandContext(ctx, "testdata/boot-systemd", program, script, folder)
	c.WaitDelay = patience
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	removeGroups(c.ProcessState.Pid())
	result, _ := os.ReadFile(filepath.Join(folder, "result")) // missing if it never came so far
	t.Logf("systemd: %v\n%s", err, out)
	return string(result)
}

// removeGroups removes the control groups that a systemd of a test leaves.
func removeGroups(pid int) {
	for _, hierarchy := range []string{"", "systemd", "unified"} {
		group := filepath.Join("/sys/fs/cgroup", hierarchy, "vitrine-test-"+strconv.Itoa(pid))
		_ = exec.Command("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").Run() // what is busy stays
	}
}
