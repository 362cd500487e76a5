package cmd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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
	result := bootSystemd(t, t.TempDir(), dir+"/vitrine", "testdata/service-script")
	if !strings.Contains(result, "all is well\nexit code 0\n") {
		t.Errorf("the script failed:\n%s", result)
	}
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
