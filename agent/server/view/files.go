package view

import (
	"embed"
	"io/fs"
)

//go:embed web
var embedded embed.FS

// workerCode is the service worker, but for the version and the files of the page, which go before it.
//
//go:embed worker/sw.js
var workerCode string

// pageFiles are files of the page that only browsers get: the player has its own of the same names, or none.
var pageFiles = func() fs.FS {
	files, err := fs.Sub(embedded, "web")
	if err != nil {
		panic(err) // the files are part of the program
	}
	return files
}()
