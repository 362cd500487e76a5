package cmd_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
)

// fatStick makes a stick as shops sell them: one partition with FAT32, and a file vitrine.toml on it.
func fatStick(t *testing.T, settings string) string {
	t.Helper()
	return fatDisk(t, settings, 64<<20)
}

// fatDisk has a partition of a size.
func fatDisk(t *testing.T, settings string, size int64) string {
	t.Helper()
	needProgram(t, "mcopy", "mtools")
	part, file := diskImage(t, size, "busybox", "mkdosfs"), filepath.Join(t.TempDir(), "VITRINE.TOML")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "mcopy", "-i", part, file, "::")
	data, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	disk := make([]byte, fatStart)
	entry := disk[446:]
	entry[4] = 0x0c
	binary.LittleEndian.PutUint32(entry[8:], fatStart/512)
	binary.LittleEndian.PutUint32(entry[12:], uint32(size/512))
	disk[510], disk[511] = 0x55, 0xaa
	path := filepath.Join(t.TempDir(), "stick.img")
	if err := os.WriteFile(path, append(disk, data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const fatStart = 1 << 20

// A real kernel without anything that mounts sticks: one with FAT32 is put in while the viewer runs, which mounts it itself, joins the site, writes its
// report, and doesn't mind that the stick is pulled out.
func TestVMStickThatNobodyMounts(t *testing.T) {
	t.Parallel()
	needVM(t)
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	lan := host{t, l.name + "-lan1"}
	command(t, append(lan.prefix(), "ip", "tuntap", "add", "tap0", "mode", "tap")...)
	command(t, append(lan.prefix(), "ip", "link", "set", "tap0", "master", "br0", "up")...)
	token, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	stick := fatStick(t, "name = \"Lobby\"\r\ntoken = \""+strings.TrimSpace(string(token))+"\"\r\n")
	m, options := newMonitor(t)
	options = append(append([]string{"--tap", "tap0", "--disk", diskImage(t, 256<<20, "mkfs.ext4", "-q", "-F"), "--", "-device", "qemu-xhci"}, stickOf("stick", stick)...), options...)
	g := boot(t, lan.prefix(), options...)
	g.run("ip address add 10.77.0.9/24 dev eth0")
	g.view("/dev/vda", "")
	g.await("The player page is ready")

	m.attach("stick")
	g.await("Settings for this viewer are on the USB stick")
	g.awaitStatus("enrolled and playing", func(s agent.Status) bool { return connected(s) && playing(s) && s.Name == "Lobby" })
	const dir = "/state/vitrine/sticks/sda1"
	g.run("until grep -q 'Session: *connected' " + dir + "/vitrine-report.txt; do usleep 100000; done")
	if mount := g.run("grep " + dir + " /proc/mounts"); !strings.Contains(mount, " vfat ro,nosuid,nodev,noexec,") {
		t.Errorf("the stick is mounted as %s", mount)
	}
	m.detach("stick")
	g.run("while [ -e " + dir + " ]; do usleep 100000; done")
	if s := g.awaitStatus("playing without the stick", playing); s.Name != "Lobby" {
		t.Errorf("status %+v", s)
	}
	report := command(t, "mtype", "-i", stick+"@@1M", "::vitrine-report.txt")
	for _, want := range []string{"Done. The settings are in effect", "Name:           Lobby\r\n", "Site:           e2e\r\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in the report:\n%s", want, report)
		}
	}
}
