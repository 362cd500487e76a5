package flash

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// sysfs makes a machine of files: each is a path below /sys/devices with its text, or a link if that begins with "->".
func sysfs(t *testing.T, files map[string]string) *machine {
	t.Helper()
	root := t.TempDir()
	m := &machine{sys: filepath.Join(root, "class"), dev: filepath.Join(root, "dev"), btrfs: filepath.Join(root, "btrfs"), mounts: map[string][]string{}, swaps: map[string]bool{}}
	for name, content := range files {
		path := filepath.Join(root, "devices", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if dir := filepath.Dir(path); filepath.Base(path) == "dev" {
			if err := os.MkdirAll(m.sys, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(dir, filepath.Join(m.sys, filepath.Base(dir))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return m
}

const (
	usb  = "pci0/usb1/1-1"
	sda  = "pci0/ata1/block/sda"
	sdb  = usb + "/1-1:1.0/host6/block/sdb"
	mmc  = "platform/mmc0/mmc0:aaaa/block/mmcblk0"
	emmc = "platform/mmc1/mmc1:0001/block/mmcblk1"
)

// files are a machine with a disk of its own, a stick, a memory card and a soldered one.
func files() map[string]string {
	return map[string]string{
		sda + "/dev": "8:0", sda + "/size": "1000000", sda + "/removable": "0", sda + "/device/model": "SSD 1", sda + "/device/vendor": "ATA     ",
		sda + "/sda1/dev": "8:1", sda + "/sda1/partition": "1", sda + "/sda1/size": "2048",
		sda + "/sda2/dev": "8:2", sda + "/sda2/partition": "2", sda + "/sda2/size": "90000",
		sdb + "/dev": "8:16", sdb + "/size": "60000", sdb + "/removable": "1", sdb + "/device/model": "Ultra \x1b[2J", sdb + "/device/vendor": "SanDisk",
		usb + "/idVendor": "0781", usb + "/serial": "4C53",
		sdb + "/sdb1/dev": "8:17", sdb + "/sdb1/partition": "1", sdb + "/sdb1/size": "50000",
		mmc + "/dev": "179:0", mmc + "/size": "70000", mmc + "/removable": "0", mmc + "/device/type": "SD", mmc + "/device/name": "SC16G", mmc + "/device/serial": "0xdeadbeef",
		emmc + "/dev": "179:8", emmc + "/size": "80000", emmc + "/removable": "0", emmc + "/device/type": "MMC",
		"virtual/block/loop0/dev": "7:0", "virtual/block/loop0/size": "100",
		"pci0/ata2/block/sr0/dev": "11:0", "pci0/ata2/block/sr0/size": "100",
		"pci0/usb1/1-2/block/sdc/dev": "8:32", "pci0/usb1/1-2/block/sdc/size": "0", // a reader without a card
	}
}

func TestDevices(t *testing.T) {
	list, err := sysfs(t, files()).devices()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		word := "no"
		if d.Permit(false) == nil {
			word = "yes"
		}
		got = append(got, filepath.Base(d.Path)+" "+word+" "+d.Name()+" "+d.Serial)
	}
	want := "mmcblk0 yes SC16G 0xdeadbeef; mmcblk1 no unnamed ; sda no ATA SSD 1 ; sdb yes SanDisk Ultra [2J 4C53"
	if strings.Join(got, "; ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
	}
}

// However the system uses a disk, it is found.
func TestUse(t *testing.T) {
	const dm, md = "virtual/block/dm-0", "virtual/block/md0"
	for name, c := range map[string]struct {
		files  map[string]string
		mounts map[string]string
		swap   string
		disk   string
		want   string
	}{
		"nothing":              {disk: "sda"},
		"root":                 {mounts: map[string]string{"8:2": "/"}, disk: "sda", want: "/dev/sda2 is mounted at /"},
		"boot":                 {mounts: map[string]string{"8:1": "/boot/efi"}, disk: "sda", want: "/dev/sda1 is mounted at /boot/efi"},
		"swap":                 {swap: "8:2", disk: "sda", want: "/dev/sda2 has its swap space"},
		"the whole disk":       {mounts: map[string]string{"8:16": "/home"}, disk: "sdb", want: "/dev/sdb is mounted at /home"},
		"system on a stick":    {mounts: map[string]string{"8:17": "/run/live/medium"}, disk: "sdb", want: "/dev/sdb1 is mounted at /run/live/medium"},
		"stick":                {mounts: map[string]string{"8:17": "/media/anna/STICK"}, disk: "sdb"},
		"inner disk at /mnt":   {mounts: map[string]string{"8:2": "/mnt/data"}, disk: "sda", want: "/dev/sda2 is mounted at /mnt/data"},
		"LVM below root":       {files: map[string]string{sda + "/sda2/holders/dm-0": "", dm + "/dev": "252:0", dm + "/dm/name": "vg-root"}, mounts: map[string]string{"252:0": "/"}, disk: "sda", want: "/dev/sda2 is a part of dm-0 (vg-root), and /dev/dm-0 is mounted at /"},
		"LUKS below LVM":       {files: map[string]string{sda + "/sda2/holders/dm-0": "", dm + "/dev": "252:0", dm + "/holders/dm-1": "", "virtual/block/dm-1/dev": "252:1"}, swap: "252:1", disk: "sda", want: "/dev/sda2 is a part of dm-0, and /dev/dm-0 is a part of dm-1, and /dev/dm-1 has its swap space"},
		"partition of a RAID":  {files: map[string]string{sda + "/holders/md0": "", md + "/dev": "9:0", md + "/md0p1/dev": "259:0", md + "/md0p1/partition": "1"}, mounts: map[string]string{"259:0": "/srv"}, disk: "sda", want: "/dev/sda is a part of md0, and /dev/md0p1 is mounted at /srv"},
		"LUKS on a stick":      {files: map[string]string{sdb + "/sdb1/holders/dm-0": "", dm + "/dev": "252:0"}, mounts: map[string]string{"252:0": "/media/anna/secret"}, disk: "sdb", want: "/dev/dm-0 is mounted at /media/anna/secret"},
		"LUKS that is open":    {files: map[string]string{sdb + "/sdb1/holders/dm-0": "", dm + "/dev": "252:0"}, disk: "sdb", want: "/dev/sdb1 is a part of dm-0; close that first"},
		"a circle":             {files: map[string]string{sdb + "/sdb1/holders/dm-0": "", dm + "/dev": "252:0", dm + "/holders/dm-0": ""}, disk: "sdb", want: "close that first"},
		"btrfs of other disks": {files: map[string]string{"../btrfs/uuid/devices/sdb1": ""}, disk: "sdb", want: "/dev/sdb1 is a part of a btrfs that is mounted"},
	} {
		t.Run(name, func(t *testing.T) {
			all := files()
			for path, text := range c.files {
				all[path] = text
			}
			m := sysfs(t, all)
			for number, at := range c.mounts {
				m.mounts[number] = []string{at}
			}
			m.swaps[c.swap] = true
			d, err := m.describe(c.disk)
			if err != nil || (d.Use == "") != (c.want == "") || !strings.Contains(d.Use, c.want) {
				t.Errorf("%q, %v, want %q", d.Use, err, c.want)
			}
			if err := d.Permit(true); (err != nil) != (c.want != "") {
				t.Error(err)
			}
		})
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if d, err := Find(file); err != nil || d.Permit(false) != nil || d.Fits(1<<40) != nil || !d.Holds(file) || d.Holds(dir) {
		t.Errorf("%+v, %v", d, err)
	}
	for name, want := range map[string]string{dir: "neither a disk nor a file", "/dev/null": "neither", dir + "/sdx": "there is no " + dir + "/sdx"} {
		if _, err := Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// loop makes a loop device, with a partition that has a file system.
func loop(t *testing.T) string {
	t.Helper()
	problem := ""
	if os.Geteuid() != 0 {
		problem = "loop devices need root"
	}
	for _, program := range []string{"losetup", "partx", "mkfs.ext4"} {
		if _, err := exec.LookPath(program); err != nil {
			problem = program + " is missing (Debian packages mount, util-linux and e2fsprogs)"
		}
	}
	switch {
	case problem == "":
	case os.Getenv("CI") != "":
		t.Fatal(problem)
	default:
		t.Skip(problem)
	}
	const start, size = 2048, 8192 // sectors
	part := filepath.Join(t.TempDir(), "part")
	run(t, "mkfs.ext4", "-q", "-L", "holidays", part, "4M")
	disk := make([]byte, cardSize)
	disk[446+4] = 0x83
	disk[446+9], disk[446+13] = start>>8, size>>8
	disk[510], disk[511] = 0x55, 0xaa
	data, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	copy(disk[start*512:], data)
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	device := strings.TrimSpace(run(t, "losetup", "--find", "--show", "--partscan", file))
	t.Cleanup(func() { run(t, "losetup", "--detach", device) })
	if _, err := os.Stat(device + "p1"); err != nil { // not every kernel reads tables of partitions
		run(t, "partx", "--add", device)
		t.Cleanup(func() { _ = exec.Command("partx", "--delete", device).Run() }) // it may be gone with the table
	}
	return device
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// A real block device: it is shown with what is on it, left alone while it is used, unmounted if it is a stick, and written.
func TestLoopDevice(t *testing.T) {
	device := loop(t)
	at := t.TempDir()
	if err := unix.Mount(device+"p1", at, "ext4", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	d, err := Find(device)
	if err != nil || d.Size != cardSize || len(d.Parts) != 1 || d.Parts[0].Kind != "ext4" || d.Parts[0].Label != "holidays" || d.Use != device+"p1 is mounted at "+at || !d.Holds(at) {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := Find(device + "p1"); err == nil || !strings.Contains(err.Error(), "say "+device) {
		t.Errorf("a partition: %v", err)
	}
	if err := d.Fits(cardSize + 1); err == nil || d.Fits(cardSize) != nil {
		t.Errorf("its size: %v", err)
	}
	missed := d
	missed.Parts = nil
	if _, err := missed.Open(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a mount that wasn't seen: %v", err)
	}
	held, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(); err == nil || !strings.Contains(err.Error(), at+" is in use") {
		t.Errorf("with an open file: %v", err)
	}
	held.Close()
	target, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(device+"p1", at, "ext4", unix.MS_RDONLY, ""); err != unix.EBUSY {
		t.Errorf("somebody else mounts it meanwhile: %v", err)
	}
	i := examined(t, imageBytes())
	if err := i.Write(t.Context(), target, d.Size, []byte("name = \"a\"\n"), quiet); err != nil {
		t.Error(err)
	}
	if _, err := target.Release(); err != nil {
		t.Error(err)
	}
	got := make([]byte, PlaceholderSize)
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(got, placeholderAt); err != nil || !strings.HasPrefix(string(got), "name = \"a\"\n\n\n") {
		t.Errorf("%.40q, %v", got, err)
	}
}
