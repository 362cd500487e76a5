package atomicfile

// SyncDir does nothing: NTFS journals its names, and Windows has no way to sync a folder.
func SyncDir(string) error { return nil }
