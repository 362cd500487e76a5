package cmd_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// deviceRoot is the folder of scripts/device-root; tests that need it are run by `make device-test`.
func deviceRoot(t *testing.T) string {
	t.Helper()
	root := os.Getenv("VITRINE_DEVICE_ROOT")
	if root == "" || os.Geteuid() != 0 {
		t.Skip("these tests need root, and the folder of scripts/device-root in VITRINE_DEVICE_ROOT: `make device-test`")
	}
	return root
}

// bootDevice runs a script under an init of its own, on a copy of a root folder with our program.
func bootDevice(t *testing.T, root, init, script string) {
	t.Helper()
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "testdata/boot-systemd", static(t, "vitrine"), script, folder)
	c.Env = append(os.Environ(), "DEVICE_ROOT="+root, "INIT="+init)
	c.WaitDelay = patience
	out, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	removeGroups(c.ProcessState.Pid())
	result, _ := os.ReadFile(filepath.Join(folder, "result")) // missing if it never came so far
	if !strings.HasSuffix(string(result), "all is well\nexit code 0\n") {
		t.Errorf("the script failed: %v\n%s\n%s", err, out, result)
	}
}

// Settings of a stick on players whose network NetworkManager or systemd-networkd manages: an address of one's own, one by DHCP, and what leads nowhere, which
// is put back.
func TestNetworkManagers(t *testing.T) {
	root := deviceRoot(t)
	for _, manager := range []string{"NetworkManager", "networkd"} {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile("testdata/network-script")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(path, append([]byte("manager="+manager+"\n"), script...), 0o644); err != nil {
				t.Fatal(err)
			}
			bootDevice(t, root, "systemd", path)
		})
	}
}

// What the rule for polkit allows, with the real polkitd, logind and timedated.
func TestRightsByPolkit(t *testing.T) {
	bootDevice(t, deviceRoot(t), "systemd", "testdata/rights-script")
}

// The service from the installation to the removal with the real OpenRC, which starts it again however often it ends.
func TestServiceUnderOpenRC(t *testing.T) {
	bootDevice(t, deviceRoot(t), "openrc", "testdata/openrc-script")
}
