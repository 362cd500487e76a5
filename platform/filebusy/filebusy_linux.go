package filebusy

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// busy asks for a read lease (fcntl(2), "Leases"), which the kernel gives only while nobody has the file open for writing,
// and gives it back at once.
func busy(f *os.File) (bool, error) {
	if remote(f) {
		return false, errors.ErrUnsupported
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return true, nil
	case err != nil:
		return false, errors.ErrUnsupported
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	return false, err
}

// remote tells whether a file is on a network file system: these answer EAGAIN for ever if their server gives no lease.
func remote(f *os.File) bool {
	var s unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &s); err != nil {
		return true
	}
	switch uint32(s.Type) {
	case unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC:
		return true
	}
	return false
}
