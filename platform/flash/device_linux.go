package flash

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vitrine/platform/removable"
)

// A machine is where the kernel says what disks there are.
type machine struct {
	// sys has a folder for each block device, by its name; dev has their nodes; btrfs the file systems of that kind that are mounted.
	sys, dev, btrfs string
	// mounts are the folders at which devices are mounted, and swaps those that memory is moved to, both by number as major:minor.
	mounts map[string][]string
	swaps  map[string]bool
}

func thisMachine() (*machine, error) {
	mounts, err := removable.Mounts()
	if err != nil {
		return nil, err
	}
	m := &machine{sys: "/sys/class/block", dev: "/dev", btrfs: "/sys/fs/btrfs", mounts: mounts, swaps: map[string]bool{}}
	table, _ := os.ReadFile("/proc/swaps") // a kernel without swap has none
	for line := range strings.Lines(string(table)) {
		name, _, _ := strings.Cut(line, " ")
		var s unix.Stat_t
		if unix.Stat(name, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFBLK {
			m.swaps[fmt.Sprintf("%d:%d", unix.Major(s.Rdev), unix.Minor(s.Rdev))] = true
		}
	}
	return m, nil
}

func devices() ([]Device, error) {
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	return m.devices()
}

func (m *machine) devices() ([]Device, error) {
	entries, err := os.ReadDir(m.sys)
	if err != nil {
		return nil, err
	}
	var list []Device
	for _, e := range entries {
		path, err := filepath.EvalSymlinks(filepath.Join(m.sys, e.Name()))
		if err != nil || strings.Contains(path, "/virtual/") || strings.HasPrefix(e.Name(), "sr") || m.has(e.Name(), "partition") {
			continue
		}
		if d, err := m.describe(e.Name()); err == nil && d.Size > 0 {
			list = append(list, d)
		}
	}
	return list, nil
}

func find(name string) (Device, error) {
	path, err := filepath.EvalSymlinks(name) // such as /dev/disk/by-id/…
	if errors.Is(err, fs.ErrNotExist) {
		return Device{}, fmt.Errorf("there is no %s; `vitrine flash` alone lists the cards and sticks that are there", name)
	}
	if err != nil {
		return Device{}, err
	}
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return Device{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return Device{Path: path, file: true}, nil
	case unix.S_IFBLK:
	default:
		return Device{}, fmt.Errorf("%s is neither a disk nor a file", name)
	}
	m, err := thisMachine()
	if err != nil {
		return Device{}, err
	}
	real, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(s.Rdev), unix.Minor(s.Rdev)))
	if err != nil {
		return Device{}, fmt.Errorf("the kernel doesn't know %s: %w", path, err)
	}
	block := filepath.Base(real)
	if m.has(block, "partition") {
		return Device{}, fmt.Errorf("%s is a part of a disk, and an image is of a whole one: say /dev/%s", name, filepath.Base(filepath.Dir(real)))
	}
	if under := m.names(block, "slaves"); len(under) > 0 {
		return Device{}, fmt.Errorf("%s is made of other disks (%s), and an image goes to one that a player can start from", name, strings.Join(under, ", "))
	}
	d, err := m.describe(block)
	d.Path = path
	return d, err
}

// describe says all of a disk, by its name in sysfs.
func (m *machine) describe(name string) (Device, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(m.sys, name))
	if err != nil {
		return Device{}, err
	}
	d := Device{
		Path: filepath.Join(m.dev, strings.ReplaceAll(name, "!", "/")), Size: m.size(name), Serial: serial(path),
		Model:     clean(text(path, "device/vendor") + " " + text(path, "device/model") + " " + text(path, "device/name")),
		Removable: text(path, "removable") == "1" || strings.Contains(path, "/usb") || text(path, "device/type") == "SD",
	}
	parts := m.parts(path)
	for _, part := range append([]string{name}, parts...) {
		if d.Use == "" {
			d.Use = m.use(part, d.Removable)
		}
		if part == name && len(parts) > 0 {
			continue
		}
		p := Part{Path: filepath.Join(m.dev, part), Size: m.size(part), Mounted: m.mounts[m.number(part)]}
		p.Kind, p.Label = kind(p.Path)
		if part != name || p.Kind != "" || len(p.Mounted) > 0 {
			d.Parts = append(d.Parts, p)
		}
	}
	return d, nil
}

// parts are the names of a disk's partitions.
func (m *machine) parts(path string) []string {
	entries, _ := os.ReadDir(path) // one that was just pulled out has none
	var list []string
	for _, e := range entries {
		if m.has(e.Name(), "partition") {
			list = append(list, e.Name())
		}
	}
	slices.SortFunc(list, func(a, b string) int { return len(a) - len(b) }) // sda10 comes after sda2
	return list
}

// maxDepth bounds how many devices are on top of each other.
const maxDepth = 16

// use says what the system needs a device for, itself or by what is made of it; empty if for nothing. What of a stick is mounted where sticks are can be
// unmounted.
func (m *machine) use(name string, stick bool) string { return m.useAt(name, stick, 0) }

func (m *machine) useAt(name string, stick bool, depth int) string {
	number := m.number(name)
	if m.swaps[number] {
		return "/dev/" + name + " has its swap space"
	}
	for _, at := range m.mounts[number] {
		if !stick || !removable.IsPlace(at) {
			return "/dev/" + name + " is mounted at " + at
		}
	}
	if list, _ := filepath.Glob(filepath.Join(m.btrfs, "*/devices", name)); len(list) > 0 && len(m.mounts[number]) == 0 {
		return "/dev/" + name + " is a part of a btrfs that is mounted"
	}
	holders := m.names(name, "holders")
	if len(holders) == 0 || depth == maxDepth {
		return ""
	}
	for _, holder := range holders {
		for _, part := range append([]string{holder}, m.parts(filepath.Join(m.sys, holder))...) {
			if use := m.useAt(part, false, depth+1); use != "" {
				return "/dev/" + name + " is a part of " + m.called(holder) + ", and " + use
			}
		}
	}
	return "/dev/" + name + " is a part of " + m.called(holders[0]) + "; close that first"
}

// called is a device with the name that people gave it.
func (m *machine) called(name string) string {
	if given := text(filepath.Join(m.sys, name), "dm/name"); given != "" {
		return name + " (" + clean(given) + ")"
	}
	return name
}

func (m *machine) number(name string) string { return text(filepath.Join(m.sys, name), "dev") }

func (m *machine) has(name, file string) bool {
	_, err := os.Stat(filepath.Join(m.sys, name, file))
	return err == nil
}

func (m *machine) names(name, folder string) []string {
	entries, _ := os.ReadDir(filepath.Join(m.sys, name, folder)) // not every device has each folder
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// size is in bytes; sysfs counts sectors of 512, whatever the device has.
func (m *machine) size(name string) int64 {
	n, _ := strconv.ParseInt(text(filepath.Join(m.sys, name), "size"), 10, 64)
	return n * 512
}

// serial is a disk's own, or that of the USB device which it is in.
func serial(path string) string {
	for _, file := range []string{"serial", "device/serial"} {
		if s := clean(text(path, file)); s != "" {
			return s
		}
	}
	for dir := path; strings.Contains(dir, "/usb"); dir = filepath.Dir(dir) {
		if text(dir, "idVendor") != "" {
			return clean(text(dir, "serial"))
		}
	}
	return ""
}

// text is what a file of sysfs says; empty if it isn't there.
func text(dir, file string) string {
	data, _ := os.ReadFile(filepath.Join(dir, file))
	return strings.TrimSpace(string(data))
}

// kind reads what file system a device has; without the right to read it, that isn't known.
func kind(path string) (kind, label string) {
	f, err := os.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	head := make([]byte, headSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		return "", ""
	}
	return fileSystem(head)
}
