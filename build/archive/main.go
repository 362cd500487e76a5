// Command archive packs a folder into a .tar.gz or .zip whose bytes depend on the files' names and contents alone, and on whether they are programs. It is no
// part of any program that is shipped.
//
//	archive SECONDS FOLDER FILE
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if len(args) != 3 {
		return errors.New("usage: archive SECONDS FOLDER FILE")
	}
	seconds, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	made, folder := time.Unix(seconds, 0).UTC(), args[1]
	out, err := os.Create(args[2])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if strings.HasSuffix(args[2], ".zip") {
		return writeZip(out, folder, made)
	}
	return writeTar(out, folder, made)
}

// each calls f for every file below a folder, in the order of their names, with a name that begins with the folder's own.
func each(folder string, f func(name string, mode fs.FileMode, data []byte) error) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(folder), path)
		if err != nil {
			return err
		}
		return f(filepath.ToSlash(name), 0o644|info.Mode()&0o111, data)
	})
}

func writeTar(w io.Writer, folder string, made time.Time) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(zipped)
	err = each(folder, func(name string, mode fs.FileMode, data []byte) error {
		header := &tar.Header{Name: name, Mode: int64(mode), Size: int64(len(data)), ModTime: made, Uname: "root", Gname: "root"}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(data)
		return err
	})
	return errors.Join(err, archive.Close(), zipped.Close())
}

func writeZip(w io.Writer, folder string, made time.Time) error {
	archive := zip.NewWriter(w)
	err := each(folder, func(name string, mode fs.FileMode, data []byte) error {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: made}
		header.SetMode(mode)
		f, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		return err
	})
	return errors.Join(err, archive.Close())
}
