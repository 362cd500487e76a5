package flash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/sys/windows"
)

// What is asked of disks and volumes (winioctl.h). All but the last three need no right.
const (
	ioctlGeometry = 0x000700a0 // IOCTL_DISK_GET_DRIVE_GEOMETRY_EX
	ioctlQuery    = 0x002d1400 // IOCTL_STORAGE_QUERY_PROPERTY
	ioctlExtents  = 0x00560000 // IOCTL_VOLUME_GET_VOLUME_DISK_EXTENTS
	ioctlLook     = 0x00070140 // IOCTL_DISK_UPDATE_PROPERTIES
	fsctlLock     = 0x00090018 // FSCTL_LOCK_VOLUME
	fsctlDismount = 0x00090020 // FSCTL_DISMOUNT_VOLUME
	maxDisks      = 64
	diskPrefix    = `\\.\PhysicalDrive`
	shared        = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE
	unbuffered    = windows.FILE_FLAG_NO_BUFFERING | windows.FILE_FLAG_WRITE_THROUGH
	busUSB        = 7 // STORAGE_BUS_TYPE
	busSD, busMMC = 12, 13
)

func devices() ([]Device, error) {
	volumes, err := allVolumes()
	if err != nil {
		return nil, err
	}
	var list []Device
	for n := range uint32(maxDisks) {
		d, err := describe(n, volumes)
		if errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
			continue // numbers have gaps
		}
		if err == nil && d.Size > 0 { // a reader without a card has no size, or says that it isn't ready
			list = append(list, d)
		}
	}
	return list, nil
}

// find takes \\.\PhysicalDrive1, PhysicalDrive1, the letter of one of its volumes, or a file.
func find(name string) (Device, error) {
	list, err := devices()
	if err != nil {
		return Device{}, err
	}
	short := strings.TrimPrefix(name, `\\.\`)
	for _, d := range list {
		letter := slices.ContainsFunc(d.Parts, func(p Part) bool {
			return slices.ContainsFunc(p.Mounted, func(at string) bool {
				return strings.EqualFold(strings.TrimSuffix(at, `\`), strings.TrimSuffix(short, `\`))
			})
		})
		if letter || strings.EqualFold(d.Path, `\\.\`+short) {
			return d, nil
		}
	}
	info, err := os.Stat(name)
	if errors.Is(err, os.ErrNotExist) || err != nil && strings.HasPrefix(name, `\\.\`) {
		return Device{}, fmt.Errorf("there is no %s; `vitrine flash` alone lists the cards and sticks that are there", name)
	}
	if err != nil {
		return Device{}, err
	}
	if !info.Mode().IsRegular() {
		return Device{}, fmt.Errorf("%s is neither a disk nor a file", name)
	}
	return Device{Path: name, file: true}, nil
}

// describe says all of a disk.
func describe(n uint32, volumes []volume) (Device, error) {
	d := Device{Path: diskPrefix + strconv.Itoa(int(n))}
	h, err := openPath(d.Path, 0, 0)
	if err != nil {
		return d, err
	}
	defer windows.CloseHandle(h)
	if b, err := control(h, ioctlGeometry, nil, 256); err == nil && len(b) >= 32 {
		d.Size = int64(binary.LittleEndian.Uint64(b[24:])) // DISK_GEOMETRY_EX
	}
	// STORAGE_PROPERTY_QUERY of zeros asks for a STORAGE_DEVICE_DESCRIPTOR.
	if b, err := control(h, ioctlQuery, make([]byte, 12), 1024); err == nil && len(b) >= 32 {
		word := func(at int) string { return stringAt(b, binary.LittleEndian.Uint32(b[at:])) }
		d.Model, d.Serial = clean(word(12)+" "+word(16)), clean(word(24))
		bus := binary.LittleEndian.Uint32(b[28:])
		d.Removable = b[10] != 0 || bus == busUSB || bus == busSD || bus == busMMC
	}
	for _, v := range volumes {
		if slices.Contains(v.disks, n) {
			d.Parts = append(d.Parts, v.Part)
			if v.system {
				d.Use = "Windows is on it, at " + strings.Join(v.Mounted, ", ")
			}
		}
	}
	return d, nil
}

// stringAt reads what ends at a zero; at 0 there is nothing.
func stringAt(b []byte, at uint32) string {
	if at == 0 || int(at) >= len(b) {
		return ""
	}
	text, _, _ := strings.Cut(string(b[at:]), "\x00")
	return text
}

// A volume is a file system, with the numbers of the disks that it is on.
type volume struct {
	Part
	disks  []uint32
	system bool
}

func allVolumes() ([]volume, error) {
	name := make([]uint16, windows.MAX_PATH)
	search, err := windows.FindFirstVolume(&name[0], uint32(len(name)))
	if err != nil {
		return nil, os.NewSyscallError("FindFirstVolume", err)
	}
	defer windows.FindVolumeClose(search)
	home, err := windows.GetSystemWindowsDirectory()
	if err != nil {
		return nil, os.NewSyscallError("GetSystemWindowsDirectory", err)
	}
	var list []volume
	for {
		list = append(list, newVolume(windows.UTF16ToString(name), home))
		if err := windows.FindNextVolume(search, &name[0], uint32(len(name))); err != nil {
			return list, nil // there are no more
		}
	}
}

// newVolume describes a volume by its name, which ends with a backslash. What can't be found out stays empty.
func newVolume(name, home string) volume {
	v := volume{Part: Part{Path: name}}
	root, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return v
	}
	names, length := make([]uint16, 4096), uint32(0)
	if windows.GetVolumePathNamesForVolumeName(root, &names[0], uint32(len(names)), &length) == nil {
		for at := range strings.SplitSeq(string(utf16.Decode(names[:min(int(length), len(names))])), "\x00") {
			if at != "" {
				v.Mounted = append(v.Mounted, at)
				v.system = v.system || strings.EqualFold(at, home[:min(3, len(home))])
			}
		}
	}
	label, kind := make([]uint16, 256), make([]uint16, 256)
	if windows.GetVolumeInformation(root, &label[0], 256, nil, nil, nil, &kind[0], 256) == nil {
		v.Label, v.Kind = clean(windows.UTF16ToString(label)), windows.UTF16ToString(kind)
	}
	h, err := openPath(strings.TrimSuffix(name, `\`), 0, 0)
	if err != nil {
		return v
	}
	defer windows.CloseHandle(h)
	b, err := control(h, ioctlExtents, nil, 8+24*32) // VOLUME_DISK_EXTENTS
	for b = b[min(8, len(b)):]; err == nil && len(b) >= 24; b = b[24:] {
		v.disks = append(v.disks, binary.LittleEndian.Uint32(b))
		v.Size += int64(binary.LittleEndian.Uint64(b[16:]))
	}
	return v
}
