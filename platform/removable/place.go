package removable

// IsPlace tells whether a folder is one at which systems mount what is plugged in.
func IsPlace(dir string) bool { return below(dir, Folders) }
