package service_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/platform/service"
)

// inside is set in the process that has a private view of the file system.
const inside = "VITRINE_TEST_INSIDE"

var config = service.Config{
	Name: "vitrine-test", DisplayName: "Vitrine test", Description: "a service of a test",
	Executable: "/usr/bin/true", Args: []string{"run", "--name", "a name"},
	// Below a folder that is thrown away, too. A service with a user of its own is installed in agent/cmd, on a systemd of its own.
	User: service.RootUser, State: "/var/log/vitrine-state", Settings: "/var/log/vitrine-settings",
}

// The real service manager's folders, in a mount namespace where they are empty and thrown away: nothing of this machine is
// touched. Which manager the library takes depends on the machine; the words must be the same.
func TestInstallAndUninstall(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	if state, err := service.Status(config); err != nil || state != service.NotInstalled {
		t.Fatalf("before: %q, %v", state, err)
	}
	if err := service.Start(config); err == nil || !strings.Contains(err.Error(), "vitrine service install") {
		t.Errorf("starting what isn't installed: %v", err)
	}
	if err := service.Uninstall(config); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("removing what isn't installed: %v", err)
	}
	if err := service.Install(config); err != nil {
		t.Fatal(err)
	}
	if state, err := service.Status(config); err != nil || state == service.NotInstalled {
		t.Errorf("after the installation: %q, %v", state, err)
	}
	if err := service.Install(config); err == nil || !strings.Contains(err.Error(), "installed already") {
		t.Errorf("installing twice: %v", err)
	}
	if err := service.Uninstall(config); err != nil {
		t.Fatal(err)
	}
	if state, err := service.Status(config); err != nil || state != service.NotInstalled {
		t.Errorf("after the removal: %q, %v", state, err)
	}
	for _, pattern := range []string{"/etc/rc?.d/*vitrine-test*", "/etc/init.d/vitrine-test", "/etc/systemd/system/vitrine-test*", "/var/log/vitrine-test*"} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			t.Errorf("after the removal there are %v, %v", left, err)
		}
	}
	if err := service.Purge(config); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(config.State); err == nil {
		t.Error("the state is left")
	}
}

// runInside runs the test again with the folders of service managers replaced by empty ones.
func runInside(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("a private mount namespace needs root")
		}
		t.Skip("a private mount namespace needs root")
	}
	script := `for d in /etc/init.d /etc/systemd/system /var/log /etc/rc0.d /etc/rc1.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/rc6.d; do
	[ ! -d "$d" ] || mount -t tmpfs none "$d"; done; exec "$@"`
	c := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-ec", script, "sh", os.Args[0], "-test.run", "^TestInstallAndUninstall$", "-test.v")
	c.Env = append(os.Environ(), inside+"=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
