// Package diskspace says how large a file system is, and how much room it has left.
package diskspace

// Free is the number of bytes that this user may still write on the file system of path. The error is
// errors.ErrUnsupported where it can't be known.
func Free(path string) (int64, error) {
	free, _, err := Of(path)
	return free, err
}

// Of is Free, and how many bytes the file system has in all.
func Of(path string) (free, total int64, err error) { return space(path) }
