package cmd_test

import (
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/platform/flash"
)

// imageDisk is a disk with the packed image of a card whose only partition has FAT32, with the placeholder in it, and with settings for it.
func imageDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	card, err := os.Open(fatDisk(t, string(flash.Placeholder()), 36<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer card.Close()
	f, err := os.Create(filepath.Join(dir, "a.img.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if _, err := io.Copy(z, card); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lobby.toml"), []byte("name = \"Lobby\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return diskImage(t, 16<<20, "mkfs.ext4", "-q", "-F", "-d", dir)
}

// A technician's computer with a real stick, and cards that are worse than they say: what the system uses is left alone, however it uses it; what is mounted of
// a stick is unmounted, and the kernel knows at once what is on it.
func TestVMFlash(t *testing.T) {
	t.Parallel()
	needVM(t)
	needProgram(t, "dmsetup", "dmsetup")
	needProgram(t, "losetup", "mount")
	var tools []string
	for _, name := range []string{"dmsetup", "losetup"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, "--add", path)
	}
	stick := fatDisk(t, "name = \"before\"\n", 36<<20)
	if err := os.Truncate(stick, 60<<20); err != nil {
		t.Fatal(err)
	}
	g := boot(t, nil, append(tools, "--usb", stick, "--disk", imageDisk(t), "--disk", diskImage(t, 40<<20), "--memory", "384")...)
	g.run("mkdir -p /host/i /media/s /srv && mount -t ext4 -o ro /dev/vda /host/i && until [ -e /dev/sda1 ]; do usleep 100000; done")
	write := "vitrine flash --yes --settings /host/i/lobby.toml /host/i/a.img.gz "
	refused := func(command string, want ...string) {
		t.Helper()
		out, status := g.try(command + " 2>&1")
		for _, w := range want {
			if status != 1 || !strings.Contains(out, w) {
				t.Errorf("%s: status %d, and %q is not in\n%s", command, status, w, out)
			}
		}
	}
	refused(write+"/dev/vda", "/dev/vda is mounted at /host/i")
	refused(write+"/dev/vdb", "isn't a card or a stick", "--internal")
	g.run("mount /dev/sda1 /srv")
	refused(write+"/dev/sda", "/dev/sda1 is mounted at /srv")
	g.run("umount /srv && dmsetup create data --table '0 4096 linear /dev/sda1 0'")
	refused(write+"/dev/sda", "/dev/sda1 is a part of dm-0 (data); close that first")
	refused(write+"/dev/dm-0", "is made of other disks (sda1)")
	g.run("dmsetup remove data && mount /dev/sda1 /media/s")
	if out := g.run("vitrine flash"); !strings.Contains(out, "/dev/sda  QEMU QEMU HARDDISK, 62.9 MB, serial number ") || !strings.Contains(out, "FAT") || !strings.Contains(out, "open at /media/s") || strings.Contains(out, "/dev/vd") {
		t.Errorf("the list:\n%s", out)
	}

	if out := g.run(write + "/dev/sda 2>/dev/null"); !strings.Contains(out, "It can be pulled out now.\n") {
		t.Errorf("at its end it says\n%s", out)
	}
	refused("mountpoint -q /media/s")
	g.run("mount -t vfat -o ro /dev/sda1 /media/s")
	if out := g.run("cat /media/s/vitrine.toml"); strings.TrimRight(out, "\n") != "name = \"Lobby\"" || len(out) < flash.PlaceholderSize {
		t.Errorf("on the stick are the settings %.200q", out)
	}
	g.run("umount /media/s && mkswap /dev/sda1 && swapon /dev/sda1")
	refused(write+"/dev/sda", "/dev/sda1 has its swap space")
	g.run("swapoff /dev/sda1")

	// A forged card says that it has 80 MB, and has 40: what is beyond lies over what is below. Past the cache of the device below, as a card has none.
	g.run("printf '0 81920 linear /dev/vdb 0\\n81920 81920 linear /dev/vdb 0\\n' | dmsetup create forged && /host/losetup --direct-io=on /dev/loop0 /dev/dm-0")
	refused(write+"--internal /dev/loop0", "has less room than it says, as forged cards do", "What was on it is lost")
	g.run("losetup -d /dev/loop0; dmsetup remove forged")
	g.run("printf '0 20480 linear /dev/vdb 0\\n20480 8 error\\n20488 61432 linear /dev/vdb 20488\\n' | dmsetup create broken && /host/losetup --direct-io=on /dev/loop0 /dev/dm-0")
	refused(write+"--internal /dev/loop0", "writing fails at 10 MB: ", "input/output error; it is broken, or was pulled out")
	g.run("losetup -d /dev/loop0; dmsetup remove broken")

	out, status := g.try(write + "/dev/sda >/tmp/out 2>&1 & until grep -q ^Writing /tmp/out; do usleep 10000; done; kill -INT $!; wait $!; s=$?; cat /tmp/out; (exit $s)")
	if status != 1 || !strings.Contains(out, "/dev/sda: interrupted. What was on it is lost, and no player starts from it before") {
		t.Errorf("status %d\n%s", status, out)
	}
	if out := g.run("hexdump -n 1048576 /dev/sda"); strings.Count(out, "\n") != 3 {
		t.Errorf("after that the stick begins with\n%.300s", out)
	}
}
