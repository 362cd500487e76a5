package flash

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

func (d Device) open() (*Target, error) {
	for _, p := range d.Parts {
		for _, at := range slices.Backward(p.Mounted) {
			if err := unix.Unmount(at, unix.UMOUNT_NOFOLLOW); err != nil {
				return nil, openError(at, err)
			}
		}
	}
	f, err := os.OpenFile(d.Path, os.O_RDWR|unix.O_EXCL|unix.O_DIRECT, 0)
	if err != nil {
		return nil, openError(d.Path, err)
	}
	if readOnly, _ := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET); readOnly != 0 {
		return nil, errors.Join(errReadOnly(d.Path), f.Close())
	}
	if sector, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET); err == nil && sector != alignment {
		return nil, errors.Join(errSector(d.Path, sector), f.Close())
	}
	return &Target{File: f}, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s is in use by a program or by the system: close what shows its files, or unmount it, and try again", path)
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s can't be written to by you: run this as root, with sudo", path)
	case errors.Is(err, unix.EROFS):
		return errReadOnly(path)
	case errors.Is(err, unix.ENOMEDIUM):
		return fmt.Errorf("there is no card in %s", path)
	}
	return err
}

// forget drops what the system has in its memory of the device.
func (t *Target) forget() error {
	if t.file {
		return unix.Fadvise(int(t.Fd()), 0, 0, unix.FADV_DONTNEED)
	}
	return os.NewSyscallError("BLKFLSBUF", unix.IoctlSetInt(int(t.Fd()), unix.BLKFLSBUF, 0))
}

func (t *Target) look() bool { return unix.IoctlSetInt(int(t.Fd()), unix.BLKRRPART, 0) == nil }
