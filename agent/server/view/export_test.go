package view

import "io/fs"

// SetPageFiles replaces the files that browsers get, for views that are made from now on; it gives those before.
func SetPageFiles(files fs.FS) (before fs.FS) {
	before, pageFiles = pageFiles, files
	return before
}
