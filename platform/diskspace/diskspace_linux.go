package diskspace

import "golang.org/x/sys/unix"

func space(path string) (free, total int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	unit := int64(s.Frsize) // on FUSE, as with exFAT and NTFS, Bsize is the size of a good read instead
	if unit <= 0 {
		unit = int64(s.Bsize)
	}
	return int64(s.Bavail) * unit, int64(s.Blocks) * unit, nil
}
