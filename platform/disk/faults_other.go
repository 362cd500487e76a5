//go:build !windows && !linux

package disk

import "syscall"

var (
	full     = []error{syscall.ENOSPC, syscall.EDQUOT}
	readOnly = []error{syscall.EROFS}
	failing  = []error{syscall.EIO}
)
