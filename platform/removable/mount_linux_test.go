package removable

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// needLoop skips a test that makes sticks of loop devices, where that can't be done.
func needLoop(t *testing.T) {
	t.Helper()
	problem := ""
	if os.Geteuid() != 0 {
		problem = "mounting needs root"
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
}

// ext4 is a file system with one file, and a link out of it.
func ext4(t *testing.T) []byte {
	t.Helper()
	folder, image := t.TempDir(), filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(filepath.Join(folder, "file"), []byte("text"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", "-d", folder, image, "1M").CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	data, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// partitioned puts a file system into the one partition of a disk (MBR).
func partitioned(data []byte) []byte {
	const start = 2048
	disk := make([]byte, 512*start, 512*start+len(data))
	entry := disk[446:]
	entry[4] = 0x83
	binary.LittleEndian.PutUint32(entry[8:], start)
	binary.LittleEndian.PutUint32(entry[12:], uint32(len(data)/512))
	disk[510], disk[511] = 0x55, 0xaa
	return append(disk, data...)
}

// plug makes a loop device of an image, and gives its name.
func plug(t *testing.T, image []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, image, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		t.Fatalf("losetup: %v", err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup --detach: %v\n%s", err, out)
		}
	})
	if image[510] == 0x55 && image[446+4] != 0 { // not every kernel reads tables of partitions
		if out, err := exec.Command("partx", "--add", device).CombinedOutput(); err != nil {
			t.Fatalf("partx: %v\n%s", err, out)
		}
		t.Cleanup(func() {
			if out, err := exec.Command("partx", "--delete", device).CombinedOutput(); err != nil {
				t.Errorf("partx --delete: %v\n%s", err, out)
			}
		})
	}
	return filepath.Base(device)
}

// A bare file system and one in a partition are mounted once the system has had its time, in such a way that nothing on them does harm; a disk that the
// system uses is left alone.
func TestMountsOfOurOwn(t *testing.T) {
	needLoop(t)
	data := ext4(t) // first: with it the runtime opens files of its own
	before := openFiles(t)
	used := plug(t, partitioned(data))
	elsewhere := t.TempDir()
	if err := unix.Mount("/dev/"+used+"p1", elsewhere, "ext4", unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(elsewhere, unix.MNT_DETACH) })
	bare := plug(t, data)

	var out atomic.Pointer[string]
	out.Store(new(string))
	private := filepath.Join(t.TempDir(), "sticks")
	problems := make(chan error, 10)
	s := &Sticks{Private: private, Problem: func(err error) { problems <- err }, isStick: func(path string) bool {
		disk := path
		if exists(filepath.Join(path, "partition")) {
			disk = filepath.Dir(path)
		}
		file, _ := os.ReadFile(filepath.Join(disk, "loop/backing_file"))
		return strings.Contains(string(file), "/"+t.Name()) && filepath.Base(path) != *out.Load()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	changes, done := make(chan Change), make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(c Change) { changes <- c }) }()
	next := func(want Change) {
		t.Helper()
		select {
		case got := <-changes:
			if got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		case err := <-problems:
			t.Fatal(err)
		case <-time.After(5 * time.Second):
			t.Fatalf("%+v wasn't told", want)
		}
	}
	dir := filepath.Join(private, bare)
	next(Change{Dir: dir})
	checkMount(t, s, dir)

	disk := plug(t, partitioned(data)) // the kernel says so
	next(Change{Dir: filepath.Join(private, disk+"p1")})

	out.Store(&bare)
	plug(t, make([]byte, 4096)) // something happens
	next(Change{Dir: dir, Gone: true})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(private); err != nil || len(left) > 0 {
		t.Errorf("at the end there are %v, %v", left, err)
	}
	table, err := os.ReadFile(mountTable)
	if err != nil || strings.Contains(string(table), private) {
		t.Errorf("something is still mounted: %v", err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, before there were %d", after, before)
	}
}

func checkMount(t *testing.T, s *Sticks, dir string) {
	t.Helper()
	flags := func() int64 {
		var f unix.Statfs_t
		if err := unix.Statfs(dir, &f); err != nil {
			t.Fatal(err)
		}
		return f.Flags
	}
	const safe = unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC
	if got := flags(); got&safe != safe || got&unix.ST_RDONLY == 0 {
		t.Errorf("it is mounted with %#x", got)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(data) != "text" {
		t.Errorf("the file has %q, %v", data, err)
	}
	if err := exec.Command(filepath.Join(dir, "file")).Run(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("running the file: %v", err)
	}
	if _, err := os.ReadFile(filepath.Join(dir, "link")); !errors.Is(err, unix.ELOOP) {
		t.Errorf("following the link: %v", err)
	}
	report := filepath.Join(dir, "report")
	if err := os.WriteFile(report, nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing by the way: %v", err)
	}
	err := s.Write(dir, func() error {
		if got := flags(); got&safe != safe || got&unix.ST_RDONLY != 0 {
			t.Errorf("while it can be written to it is mounted with %#x", got)
		}
		return os.WriteFile(report, []byte("done"), 0o600)
	})
	if err != nil || flags()&unix.ST_RDONLY == 0 {
		t.Errorf("writing: %v; afterwards it is mounted with %#x", err, flags())
	}
	if data, err := os.ReadFile(report); err != nil || string(data) != "done" {
		t.Errorf("the report has %q, %v", data, err)
	}
}

// What can't be mounted is said once, and what a killed run has left is taken away.
func TestWhatCantBeMounted(t *testing.T) {
	needLoop(t)
	private := t.TempDir()
	left := filepath.Join(private, "sdx1")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", left, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	fat := make([]byte, 1<<20)
	copy(fat[82:], "FAT32   ")
	fat[510], fat[511] = 0x55, 0xaa
	names := []string{plug(t, fat), plug(t, fat)}
	said := make(chan error, 10)
	m := mounter{
		sys: "/sys/class/block", dev: "/dev", private: private, problem: func(err error) { said <- err },
		isStick: func(path string) bool { return slices.Contains(names, filepath.Base(path)) },
		known:   map[string]time.Time{}, mine: map[string]string{}, said: map[string]string{}, foreign: map[string]bool{},
	}
	m.removeLeftovers()
	if entries, err := os.ReadDir(private); err != nil || len(entries) > 0 {
		t.Errorf("there are %v, %v", entries, err)
	}
	now := time.Now()
	if next := m.look(now); next != grace || len(said) != 0 {
		t.Errorf("the system gets %v, and there are %d complaints", next, len(said))
	}
	if next := m.look(now.Add(grace)); next != safety {
		t.Errorf("next %v", next)
	}
	m.look(now.Add(2 * grace))
	if len(said) != 1 {
		t.Fatalf("%d complaints", len(said))
	}
	if err := <-said; !strings.Contains(err.Error(), "a stick with FAT can't be") {
		t.Error(err)
	}
}

// disk makes a stick of files in place of devices: the disk alone, or its partitions.
func disk(t *testing.T, m *mounter, name string, partitions ...[]byte) {
	t.Helper()
	for i, head := range partitions {
		part, dir := name, filepath.Join(m.sys, name)
		if len(partitions) > 1 {
			part = fmt.Sprintf("%s%d", name, i+1)
			dir = filepath.Join(dir, part)
		}
		err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "size"), []byte("2048\n"), 0o644), os.WriteFile(filepath.Join(m.dev, part), head, 0o600))
		if len(partitions) > 1 {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, "partition"), nil, 0o644), os.Symlink(dir, filepath.Join(m.sys, part)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A stick on which nothing can be read says so; a partition that rightly has no file system doesn't, as long as there is another one.
func TestForeignFileSystems(t *testing.T) {
	with := func(at int, text string) []byte {
		head := make([]byte, headSize)
		copy(head[at:], text)
		return head
	}
	fat := with(71, "NO NAME    FAT32   ")
	efi := with(71, "EFI        FAT32   ")
	locked := with(3, "-FVE-FS-")
	copy(locked[82:], "FAT32   ")
	for _, head := range [][]byte{fat, efi, locked} {
		head[510], head[511] = 0x55, 0xaa
	}
	empty, hfs, small := make([]byte, headSize), with(1024, "H+"), make([]byte, 512)
	for name, c := range map[string]struct {
		partitions [][]byte
		want       error
	}{
		"unformatted":           {[][]byte{empty}, errForeign},
		"BitLocker":             {[][]byte{locked}, errForeign},
		"a Mac's":               {[][]byte{efi, hfs}, errForeign},
		"two of another":        {[][]byte{hfs, empty}, errForeign},
		"in an extended one":    {[][]byte{small, hfs}, errForeign},
		"beside a good one":     {[][]byte{empty, fat}, errNoMount},
		"nothing to read":       {[][]byte{small}, nil},
		"the boot loader's FAT": {[][]byte{efi, small}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var said []error
			m := &mounter{
				sys: t.TempDir(), dev: t.TempDir(), private: t.TempDir(), isStick: func(string) bool { return true }, problem: func(err error) { said = append(said, err) },
				known: map[string]time.Time{}, mine: map[string]string{}, said: map[string]string{}, foreign: map[string]bool{},
			}
			disk(t, m, "sdx", c.partitions...)
			now := time.Now()
			for range 3 {
				m.look(now)
				if len(said) > 0 && m.known["sdx"] == now {
					t.Error("the system gets no time")
				}
				now = now.Add(grace)
			}
			switch {
			case c.want == nil && len(said) == 0:
			case c.want == errNoMount && len(said) == 1 && !errors.Is(said[0], errForeign):
			case c.want != nil && len(said) == 1 && errors.Is(said[0], c.want):
			default:
				t.Errorf("it is said %q", said)
			}
		})
	}
}

// errNoMount stands for whatever the kernel says to a file in place of a device.
var errNoMount = errors.New("can't be mounted")

// Who may open no devices says so, and again to whoever puts the stick in again.
func TestNoRightToDevices(t *testing.T) {
	sys := t.TempDir()
	stick := filepath.Join(sys, "sdb")
	var said []error
	m := mounter{
		sys: sys, dev: t.TempDir(), private: t.TempDir(), isStick: func(string) bool { return true }, problem: func(err error) { said = append(said, err) },
		known: map[string]time.Time{}, mine: map[string]string{}, said: map[string]string{}, foreign: map[string]bool{},
	}
	now := time.Now()
	for i := range 2 {
		if err := errors.Join(os.Mkdir(stick, 0o755), os.WriteFile(filepath.Join(stick, "size"), []byte("2048\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			m.look(now)
			now = now.Add(grace)
		}
		if len(said) != i+1 || !errors.Is(said[i], errNoRight) {
			t.Fatalf("put in %d times it is said %q", i+1, said)
		}
		if err := os.RemoveAll(stick); err != nil {
			t.Fatal(err)
		}
		m.look(now)
	}
}

// A kernel that has gone silent is no reason to stay when all is to end.
func TestMounterEnds(t *testing.T) {
	for name, listen := range map[string]func(context.Context, func()) error{
		"deaf": func(context.Context, func()) error { return unix.EBADF },
		"slow": func(ctx context.Context, _ func()) error { <-ctx.Done(); time.Sleep(time.Second / 2); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			private := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				ended, done := make(chan struct{}), make(chan struct{})
				m := mounter{sys: "/sys/class/block", private: private, isStick: func(string) bool { return false }, listen: func(ctx context.Context, hint func()) error {
					defer close(ended)
					return listen(ctx, hint)
				}}
				go func() { defer close(done); m.run(ctx) }()
				synctest.Wait()
				cancel()
				select {
				case <-done:
				case <-time.After(time.Second):
					t.Fatal("it goes on")
				}
				select {
				case <-ended:
				default:
					t.Error("it leaves its listener behind")
				}
			})
		})
	}
}

// What is on no device, or isn't there, is on no stick.
func TestIsStickOfFolders(t *testing.T) {
	for _, dir := range []string{"/proc", filepath.Join(t.TempDir(), "gone")} {
		if IsStick(dir) {
			t.Errorf("%s is on a stick", dir)
		}
	}
}

// Devices of this very machine: what it runs from is no stick.
func TestIsStick(t *testing.T) {
	usb := filepath.Join(t.TempDir(), "usb1", "block", "sdb")
	inside := filepath.Join(t.TempDir(), "pci0", "block", "sda")
	reader := filepath.Join(t.TempDir(), "pci0", "block", "sdc")
	for path, removable := range map[string]string{usb: "0", inside: "0", reader: "1"} {
		if err := os.MkdirAll(filepath.Join(path, filepath.Base(path)+"1"), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"removable": removable + "\n", filepath.Base(path) + "1/partition": "1\n"} {
			if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for path, want := range map[string]bool{usb: true, usb + "/sdb1": true, inside: false, inside + "/sda1": false, reader: true, reader + "/sdc1": true, "/sys/devices/virtual/block/loop0": false} {
		if isStick(path) != want {
			t.Errorf("%s: %t", path, !want)
		}
	}
}
