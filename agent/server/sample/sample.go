// Package sample is the programme that the demo plays if it is given no other. scripts/sample-media.sh makes its files.
package sample

import (
	"embed"
	"io/fs"
)

//go:embed media
var files embed.FS

// Files are the pictures and videos, at the top level.
var Files = sub()

func sub() fs.FS {
	f, err := fs.Sub(files, "media")
	if err != nil {
		panic(err) // the name is a constant of this file
	}
	return f
}
