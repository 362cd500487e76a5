// Package filebusy tells whether somebody is still writing a file.
//
// It owns the question alone: a system that can't answer says errors.ErrUnsupported, and the caller waits a little instead.
package filebusy

import "os"

// Busy tells whether any process has f open for writing. f must be open for reading only. The error is
// errors.ErrUnsupported where that can't be known: on other systems than Linux, on network file systems, and for other
// users' files without the capability CAP_LEASE.
func Busy(f *os.File) (bool, error) { return busy(f) }
