package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// networkd is where Debian has the program.
const networkd = "/lib/systemd/systemd-networkd"

// underNetworkd runs the real program on one cable in namespaces of its own, with the file, until the address is there or 10 s have gone.
const underNetworkd = `mount -t tmpfs none /run
mkdir -p /run/systemd/network
mount -t sysfs -o ro none /sys # so that it doesn't wait for udev
cp "$1" /run/systemd/network/
ip link add veth0 type veth peer name eth0
ip link set veth0 up
timeout 10 ` + networkd + ` 2>/run/log &
for i in $(seq 100); do
	if ip address show dev eth0 | grep -q "$2"; then break; fi
	sleep 0.1
done
kill $! || true
wait || true
ip address show dev eth0; ip route; cat /run/log`

// The real systemd-networkd does what our file says.
func TestNetworkdTakesTheFile(t *testing.T) {
	problem := ""
	if os.Geteuid() != 0 {
		problem = "network namespaces need root"
	} else if _, err := os.Stat(networkd); err != nil {
		problem = "systemd-networkd is missing (Debian package systemd)"
	}
	if problem != "" && os.Getenv("CI") != "" {
		t.Fatal(problem)
	} else if problem != "" {
		t.Skip(problem)
	}
	s, _ := machine(t, "run/systemd/netif")
	if err := s.Apply(t.Context(), fixed, func(Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", "sh", "-ec", underNetworkd, "sh", filepath.Join(s.Root, "etc", networkdFile), "10.0.0.20").CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"inet 10.0.0.20/24", "default via 10.0.0.1 dev eth0"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "Unknown") {
		t.Errorf("it doesn't understand the file:\n%s", out)
	}
}

// systemd-networkd isn't root, and must read the file whatever the umask of the service that writes it.
func TestNetworkdMayReadTheFile(t *testing.T) {
	s, _ := machine(t, "run/systemd/netif", "etc/systemd")
	defer syscall.Umask(syscall.Umask(0o077))
	if err := s.Apply(t.Context(), fixed, func(Change) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{networkdFile: 0o644, filepath.Dir(networkdFile): 0o755} {
		if info, err := os.Stat(filepath.Join(s.Root, "etc", path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}
