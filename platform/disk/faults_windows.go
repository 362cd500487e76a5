package disk

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// Windows' own errors, and those that package disktest has for every system.
var (
	full     = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED, syscall.ENOSPC}
	readOnly = []error{windows.ERROR_WRITE_PROTECT, syscall.EROFS}
	failing  = []error{windows.ERROR_CRC, windows.ERROR_IO_DEVICE, windows.ERROR_READ_FAULT, windows.ERROR_WRITE_FAULT, syscall.EIO}
)
