package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func reserve(f *os.File, size int64) error {
	var err error
	control(f, func(fd int) { err = unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return errors.ErrUnsupported
	}
	return err
}

func writeBack(f *os.File) {
	// Sync says whether it has worked.
	control(f, func(fd int) { _ = unix.SyncFileRange(fd, 0, 0, unix.SYNC_FILE_RANGE_WRITE) })
}

func forget(f *os.File) {
	control(f, func(fd int) { _ = unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) })
}

// control calls do with the file's descriptor, unless it is closed.
func control(f *os.File, do func(fd int)) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { do(int(fd)) })
	}
}
