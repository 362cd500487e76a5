package filebusy

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// busy asks for a read lease (fcntl(2), "Leases"), which the kernel gives only while nobody has the file open for writing,
// and gives it back at once.
func busy(f *os.File) (bool, error) {
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
