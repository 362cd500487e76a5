package disk

import "syscall"

// A file system that finds what it has itself written damaged says so in its own way: ext4 with EBADMSG, ext4, f2fs and XFS with EUCLEAN.
var (
	full     = []error{syscall.ENOSPC, syscall.EDQUOT}
	readOnly = []error{syscall.EROFS}
	failing  = []error{syscall.EIO, syscall.EBADMSG, syscall.EUCLEAN}
)
