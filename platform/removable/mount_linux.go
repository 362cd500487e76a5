package removable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// grace is how long the system gets to mount a stick itself.
	grace = 2 * time.Second
	// safety is how often is looked although the kernel says nothing: it loses messages, too.
	safety = 30 * time.Second
)

// mountFlags are those of our mounts, but for the time in which they are written to.
const mountFlags = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOSYMFOLLOW

// mount mounts what the system doesn't, until ctx ends.
func (s *Sticks) mount(ctx context.Context) {
	m := mounter{
		sys: "/sys/class/block", dev: "/dev", private: filepath.Clean(s.Private), isStick: isStick, listen: listen, problem: s.Problem,
		known: map[string]time.Time{}, mine: map[string]string{}, said: map[string]string{}, foreign: map[string]bool{},
	}
	if s.isStick != nil {
		m.isStick = s.isStick
	}
	m.run(ctx)
}

// A mounter has the sticks that the system didn't mount. All of it is one goroutine's.
type mounter struct {
	// sys has the block devices, dev their nodes, and private gets the mounts.
	sys, dev, private string
	// isStick tells whether a device, by its path in sysfs, is on a stick.
	isStick func(path string) bool
	// listen calls hint whenever something may have changed, until ctx ends or it can't any more.
	listen  func(ctx context.Context, hint func()) error
	problem func(error)
	// known has when each stick was first seen, mine where it is mounted by us, said what is wrong with it, and foreign those that begin like no file system
	// of ours.
	known   map[string]time.Time
	mine    map[string]string
	said    map[string]string
	foreign map[string]bool
}

// A device has something to mount: it is a partition, or a disk without any.
type device struct {
	name string
	// disk tells those of one disk from others, and parts is how many that has.
	disk  string
	parts int
}

func (m *mounter) run(ctx context.Context) {
	m.removeLeftovers()
	defer m.removeAll()
	hints, deaf := make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() {
		deaf <- m.listen(ctx, func() {
			select {
			case hints <- struct{}{}:
			default:
			}
		})
	})
	for atMost := safety; ctx.Err() == nil; {
		timer := time.NewTimer(min(m.look(time.Now()), atMost))
		select {
		case <-hints:
		case <-timer.C:
		case <-deaf: // nobody tells any more
			atMost = pollInterval
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// look mounts what has been there for long enough, unmounts what has gone, and gives the time until it must look again.
func (m *mounter) look(now time.Time) time.Duration {
	table, err := os.ReadFile(mountTable)
	if err != nil {
		return safety
	}
	mounts := mountLines(string(table))
	present := m.sticks(mounts)
	isIn := func(name string) bool {
		return slices.ContainsFunc(present, func(d device) bool { return d.name == name })
	}
	for name, dir := range m.mine {
		if !isIn(name) {
			m.remove(dir)
			delete(m.mine, name)
		}
	}
	for name := range m.known {
		if !isIn(name) {
			delete(m.known, name)
			delete(m.said, name)
			delete(m.foreign, name)
		}
	}
	next := safety
	waiting, usable := map[string]bool{}, map[string]bool{} // by disk
	for _, d := range present {
		first, known := m.known[d.name]
		if !known {
			first = now
			m.known[d.name] = now
		}
		switch wait := grace - now.Sub(first); {
		case m.mine[d.name] != "" || m.mounted(d.name, mounts) != "":
			usable[d.disk] = true
		case first.IsZero():
		case wait > 0:
			next, waiting[d.disk] = min(next, wait), true
		default:
			m.known[d.name] = time.Time{} // one try for each time that it is put in
			m.take(d)
		}
		if !m.foreign[d.name] && (m.mine[d.name] != "" || m.said[d.name] != "") {
			usable[d.disk] = true // or it has been said already why not
		}
	}
	for _, d := range present {
		if m.foreign[d.name] && !waiting[d.disk] && !usable[d.disk] {
			m.say(d.name, errForeign)
		}
	}
	return next
}

// sticks are the names of devices with something to mount: partitions, and disks without any. A disk of which the system uses a part is none: it may have
// started from it.
func (m *mounter) sticks(mounts []mountLine) []device {
	entries, err := os.ReadDir(m.sys)
	if err != nil {
		return nil
	}
	parts := map[string][]string{} // by disk
	for _, e := range entries {
		path, err := filepath.EvalSymlinks(filepath.Join(m.sys, e.Name()))
		if err != nil || !m.isStick(path) {
			continue
		}
		disk := path
		if exists(filepath.Join(path, "partition")) {
			disk = filepath.Dir(path)
		}
		if disk == path && len(parts[disk]) == 0 {
			parts[disk] = nil
		} else if disk != path {
			parts[disk] = append(parts[disk], path)
		}
	}
	var list []device
	for disk, partitions := range parts {
		if len(partitions) == 0 {
			partitions = []string{disk}
		}
		if slices.ContainsFunc(partitions, func(path string) bool { return m.inUse(filepath.Base(path), mounts) }) {
			continue
		}
		for _, path := range partitions {
			if size, _ := os.ReadFile(filepath.Join(path, "size")); strings.TrimSpace(string(size)) != "0" {
				list = append(list, device{filepath.Base(path), disk, len(partitions)})
			}
		}
	}
	slices.SortFunc(list, func(a, b device) int { return strings.Compare(a.name, b.name) })
	return list
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// isStick tells whether a disk or partition is on USB, or in a drive whose medium can be taken out. What is made of other disks isn't.
func isStick(path string) bool {
	if strings.Contains(path, "/virtual/") || strings.HasPrefix(filepath.Base(path), "sr") {
		return false
	}
	disk := path
	if exists(filepath.Join(path, "partition")) {
		disk = filepath.Dir(path)
	}
	flag, _ := os.ReadFile(filepath.Join(disk, "removable"))
	return strings.Contains(path, "/usb") || strings.TrimSpace(string(flag)) == "1"
}

// onStick tells whether what is mounted at a folder is on a stick.
func onStick(dir string) bool {
	var s unix.Stat_t
	if unix.Stat(dir, &s) != nil {
		return false
	}
	path, err := filepath.EvalSymlinks(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(s.Dev), unix.Minor(s.Dev)))
	return err == nil && isStick(path)
}

// inUse tells whether the system has mounted a device where sticks aren't, or made something else of it.
func (m *mounter) inUse(name string, mounts []mountLine) bool {
	if holders, err := os.ReadDir(filepath.Join(m.sys, name, "holders")); err == nil && len(holders) > 0 {
		return true
	}
	at := m.mounted(name, mounts)
	return at != "" && filepath.Dir(at) != m.private && !below(at, Folders)
}

// mounted is where a device is mounted; empty if nowhere.
func (m *mounter) mounted(name string, mounts []mountLine) string {
	number, err := os.ReadFile(filepath.Join(m.sys, name, "dev"))
	if err != nil {
		return ""
	}
	for _, l := range mounts {
		if l.device == strings.TrimSpace(string(number)) {
			return l.point
		}
	}
	return ""
}

// take mounts a device, if it has a file system.
func (m *mounter) take(d device) {
	name := d.name
	kind, err := m.kind(d)
	switch {
	case errors.Is(err, errForeign):
		m.foreign[name] = true
		return
	case err != nil:
		m.say(name, err)
		return
	case kind == "":
		return
	}
	dir := filepath.Join(m.private, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		m.say(name, err)
		return
	}
	err = unix.Mount(filepath.Join(m.dev, name), dir, kind, mountFlags, options[kind])
	if err == nil {
		m.mine[name] = dir
		return
	}
	_ = os.Remove(dir)
	switch {
	case errors.Is(err, unix.ENODEV):
		m.say(name, fmt.Errorf("a stick with %s can't be read: this system's kernel doesn't know that file system; use a stick with FAT32", kinds[kind]))
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		m.say(name, errNoRight)
	default:
		m.say(name, fmt.Errorf("a stick with %s can't be mounted: %w", kinds[kind], err))
	}
}

var errNoRight = errors.New("a stick that the system doesn't mount can't be read: this viewer has no right to mount it; have the system mount sticks below /media, or run the viewer as root (`vitrine service install --user root`)")

// options are what file systems want beside the flags; kinds are their names for people.
var (
	options = map[string]string{"vfat": "utf8=1"}
	kinds   = map[string]string{"vfat": "FAT", "exfat": "exFAT", "ext4": "ext4", "ntfs3": "NTFS"}
)

// errForeign is a complaint only where nothing on the disk is of use: partitions of a swap space or a boot loader rightly have none.
var errForeign = errors.New("it has no file system that this player can read; format it as FAT32, or take another one")

// kind reads what file system a device has; empty if there is nothing to read, or nothing of people's.
func (m *mounter) kind(d device) (string, error) {
	name := d.name
	f, err := os.Open(filepath.Join(m.dev, name))
	missing := errors.Is(err, os.ErrNotExist)
	switch {
	case errors.Is(err, unix.ENOMEDIUM) || missing && !exists(filepath.Join(m.sys, name)):
		return "", nil
	case missing || errors.Is(err, os.ErrPermission): // a service may have no devices of its own
		return "", errNoRight
	case err != nil:
		return "", fmt.Errorf("a stick that the system doesn't mount can't be read: %w", err)
	}
	defer f.Close()
	head := make([]byte, headSize)
	if _, err := io.ReadFull(f, head); err != nil {
		return "", nil // it was pulled out, or is too small for anything
	}
	kind := identify(head)
	switch {
	case kind == "":
		return "", errForeign
	case d.parts > 1 && isEFI(head): // a Mac makes one on each stick, which it hides
		return "", nil
	}
	return kind, nil
}

// isEFI tells whether a FAT32 file system has the name of one for boot loaders.
func isEFI(head []byte) bool {
	return string(head[82:85]) == "FAT" && string(head[71:82]) == "EFI        "
}

// say tells what is wrong with a stick, once for all that are in with the same problem.
func (m *mounter) say(name string, err error) {
	told := slices.Contains(slices.Collect(maps.Values(m.said)), err.Error())
	m.said[name] = err.Error()
	if m.problem != nil && !told {
		m.problem(err)
	}
}

// removeLeftovers takes away the mounts of a run that was killed.
func (m *mounter) removeLeftovers() {
	table, err := os.ReadFile(mountTable)
	if err != nil {
		return
	}
	for _, l := range mountLines(string(table)) {
		if filepath.Dir(l.point) == m.private {
			m.remove(l.point)
		}
	}
}

func (m *mounter) removeAll() {
	for _, dir := range m.mine {
		m.remove(dir)
	}
}

// remove unmounts also what is still read, and whose stick is gone.
func (m *mounter) remove(dir string) {
	if unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		_ = os.Remove(dir) // an empty folder does no harm
	}
}

// remount makes a mount of ours writable, or read-only again.
func remount(dir string, writable bool) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err == nil && s.Type == ntfsMagic {
		return errors.New("one with NTFS is only read")
	}
	flags := uintptr(unix.MS_REMOUNT | mountFlags)
	if writable {
		flags &^= unix.MS_RDONLY
	}
	return os.NewSyscallError("remount", unix.Mount("", dir, "", flags, ""))
}

// ntfsMagic is the type of ntfs3 (fs/ntfs3/super.c).
const ntfsMagic = 0x7366746e

// listen calls hint for every message of the kernel's about block devices, until ctx ends.
func listen(ctx context.Context, hint func()) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return os.NewSyscallError("netlink socket", err)
	}
	socket := os.NewFile(uintptr(fd), "uevents")
	defer socket.Close()
	// Group 1 is the kernel's, 2 is udev's.
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return os.NewSyscallError("netlink bind", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Unix(0, 0)) })
	defer stop()
	message := make([]byte, 16<<10)
	for {
		n, err := socket.Read(message)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, unix.ENOBUFS): // too much at once: there was something
			hint()
		case err != nil:
			return err
		case isBlockEvent(message[:n]):
			hint()
		}
	}
}
