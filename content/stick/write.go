package stick

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vitrine/content/digest"
	"vitrine/content/manifest"
	"vitrine/platform/diskspace"
)

// fatLimit is the longest file that FAT32 has room for, in bytes.
const fatLimit = 1<<32 - 1

// Export says how to write a programme to a stick.
type Export struct {
	Programme
	Manifest *manifest.Manifest
	// Open opens an asset of it, and the manifest itself.
	Open func(digest.Digest) (io.ReadSeekCloser, error)
	// Progress is told of what has been written, and what there is in all; nil if nobody wants to know.
	Progress func(files, allFiles int, bytes, allBytes int64)
}

// Write writes a programme to a stick in place of what is there. What is on it already isn't written again, and programme.json comes last:
// a stick that is pulled out in the middle has the programme before it, or none. The error says what doesn't fit before anything is written.
func (e Export) Write(ctx context.Context, dir string) (files int, written int64, err error) {
	all := e.assets()
	need, err := e.need(dir, all)
	if err != nil {
		return 0, 0, err
	}
	if e.Progress == nil {
		e.Progress = func(int, int, int64, int64) {}
	}
	done := 0
	for d, size := range all {
		if !present(dir, d, size) {
			if err := e.copy(ctx, dir, d); err != nil {
				return files, written, fmt.Errorf("%s: %w", dir, err)
			}
			files, written = files+1, written+size
		}
		done++
		e.Progress(done, len(all), written, need)
	}
	programme := e.Programme
	programme.Version = version
	data, err := json.MarshalIndent(programme, "", "  ")
	if err != nil {
		return files, written, err
	}
	if err := put(ctx, filepath.Join(dir, filepath.FromSlash(programmeFile)), bytes.NewReader(data)); err != nil {
		return files, written, fmt.Errorf("%s: %w", dir, err)
	}
	return files, written, removeOthers(dir, all)
}

// assets are the files of the programme, with their lengths.
func (e Export) assets() map[digest.Digest]int64 {
	all := map[digest.Digest]int64{e.Programme.Manifest: e.Size}
	for _, d := range e.Manifest.Used() {
		all[d] = e.Manifest.Assets[d].Size
	}
	return all
}

// need is how many bytes must be written; the error says why they can't be.
func (e Export) need(dir string, all map[digest.Digest]int64) (need int64, err error) {
	if info, err := os.Stat(dir); err != nil {
		return 0, fmt.Errorf("%w; is the stick there, and mounted at this folder?", err)
	} else if !info.IsDir() {
		return 0, fmt.Errorf("%s: it is not a folder", dir)
	}
	for d, size := range all {
		if !present(dir, d, size) {
			need += size
		}
	}
	free, err := diskspace.Free(dir)
	if err == nil && free < need {
		return 0, fmt.Errorf("%s: the stick is too small: %d MB are needed, and %d MB are free", dir, (need+1e6-1)/1e6, free/1e6)
	}
	return need, nil
}

// present tells whether a file with this name and length is on the stick. Its bytes are checked when it is read.
func present(dir string, d digest.Digest, size int64) bool {
	info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(assetPath(d))))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// copy writes one asset, and checks it on the way.
func (e Export) copy(ctx context.Context, dir string, d digest.Digest) error {
	from, err := e.Open(d)
	if err != nil {
		return fmt.Errorf("%s isn't on this machine's disk in whole: %w", d.Short(), err)
	}
	defer from.Close()
	path := filepath.Join(dir, filepath.FromSlash(assetPath(d)))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	h := sha256.New()
	if err := put(ctx, path, io.TeeReader(from, h)); err != nil {
		return err
	}
	if digest.Digest(h.Sum(nil)) != d {
		_ = os.Remove(path)
		return fmt.Errorf("%s is damaged on this machine's disk; `vitrine content verify` mends it", d.Short())
	}
	return nil
}

// put writes a file under another name, and renames it once it is on the stick.
func put(ctx context.Context, path string, r io.Reader) error {
	temporary := path + ".new"
	f, err := os.Create(temporary)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(f, contextReader{ctx, r}, make([]byte, 1<<20))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		if n >= fatLimit {
			return fmt.Errorf("%w; a stick with FAT32 has no room for files above 4 GB: format it with exFAT", err)
		}
	}
	return err
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// removeOthers removes the assets of an earlier programme.
func removeOthers(dir string, keep map[digest.Digest]int64) error {
	return filepath.WalkDir(filepath.Join(dir, filepath.FromSlash(assetDir)), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		d, err := digest.Parse("sha256:" + entry.Name())
		if _, kept := keep[d]; err != nil || kept {
			return nil // a name that isn't ours isn't ours to remove
		}
		return os.Remove(path)
	})
}
