// Package diskspace says how much room a file system has left.
package diskspace

// Free is the number of bytes that this user may still write on the file system of path. The error is
// errors.ErrUnsupported where it can't be known.
func Free(path string) (int64, error) { return free(path) }
