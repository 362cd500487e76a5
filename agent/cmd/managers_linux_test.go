package cmd_test

import (
	"context"
	"fmt"
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

// networkScript is the script for one manager.
func networkScript(t *testing.T, manager string) string {
	t.Helper()
	script, err := os.ReadFile("testdata/network-script")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, append(fmt.Appendf(nil, "manager=%s short=%t\n", manager, testing.Short()), script...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Settings of a stick on players whose network NetworkManager or systemd-networkd manages: an address of one's own, one by DHCP, and what leads nowhere, which
// is put back.
func TestNetworkManagers(t *testing.T) {
	root := deviceRoot(t)
	for _, manager := range []string{"NetworkManager", "networkd"} {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			bootDevice(t, root, "systemd", networkScript(t, manager))
		})
	}
}

// bootGuest runs a systemd in the guest, as boot-systemd does on this machine, and a script under it.
const bootGuest = `mount -t ext4 /dev/vda /mnt && cd /mnt && cp /host/vitrine usr/local/bin/ && cp /host/script root/ && rmmod virtio_net &&
modprobe -a mac80211_hwsim ccm ctr cmac ecb des_generic sha512_generic algif_hash algif_skcipher &&
for fs in proc sysfs:sys tmpfs:run tmpfs:tmp cgroup2:sys/fs/cgroup; do mount -t ${fs%:*} none ${fs#*:}; done && mount --bind /dev dev &&
mkdir -p etc/systemd/system && rm -rf etc/systemd/system/*.wants &&
printf '[Unit]\nDefaultDependencies=no\nRequires=basic.target\nAfter=basic.target dbus.socket\n[Service]\nType=oneshot\nStandardOutput=file:/result\nStandardError=inherit\nExecStart=sh -c "sh /root/script; echo exit code $?"\nExecStopPost=systemctl --no-block exit\n' >etc/systemd/system/script.service &&
chroot . unshare --pid --fork --mount-proc env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd systemd.unit=script.service; cat result`

// The same with Wi-Fi, in a virtual machine that has two radios, of which one is an access point with WPA2. In short, one manager takes a right key and no wrong one.
func TestWirelessManagers(t *testing.T) {
	root := deviceRoot(t)
	needVM(t)
	managers := []string{"NetworkManager-wifi", "networkd-iwd-wifi", "networkd-supplicant-wifi"}
	if testing.Short() {
		managers = managers[:1]
	}
	for _, manager := range managers {
		t.Run(manager, func(t *testing.T) {
			if testing.Short() {
				t.Parallel()
			}
			disk := diskImage(t, 1<<30, "mkfs.ext4", "-q", "-F", "-d", root)
			g := boot(t, nil, "--disk", disk, "--add", networkScript(t, manager), "--memory", "768")
			g.patience = 10 * time.Minute // the processor is a program, and what leads nowhere is tried for a minute
			if out, _ := g.try(strings.ReplaceAll(bootGuest, "\n", " ")); !strings.HasSuffix(out, "all is well\nexit code 0\n") {
				t.Errorf("the script failed:\n%s", out)
			}
		})
	}
}

// What the rule for polkit allows, with the real polkitd, logind and timedated.
func TestRightsByPolkit(t *testing.T) {
	t.Parallel()
	bootDevice(t, deviceRoot(t), "systemd", "testdata/rights-script")
}

// The service from the installation to the removal with the real OpenRC, which starts it again however often it ends.
func TestServiceUnderOpenRC(t *testing.T) {
	t.Parallel()
	bootDevice(t, deviceRoot(t), "openrc", "testdata/openrc-script")
}

// The same with a real SysV init, on a Debian that has no other (`scripts/debian FOLDER sysv`): the script, and its place among those that start.
func TestServiceUnderSysV(t *testing.T) {
	t.Parallel()
	root := os.Getenv("VITRINE_SYSV_ROOT")
	if root == "" || os.Geteuid() != 0 {
		t.Skip("this test needs root, and the folder of `scripts/debian FOLDER sysv` in VITRINE_SYSV_ROOT: `make device-test`")
	}
	bootDevice(t, root, "sysv", "testdata/sysv-script")
}
