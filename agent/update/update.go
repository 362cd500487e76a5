// Package update keeps releases of the viewer beside the program that is installed, and says which of them runs: one that has proved itself, or, a few
// times, one that is to.
//
// It owns the folder of releases and the record in it, and the rules of a trial. What it says is on disk, synced, before anybody acts on it. It never fetches
// anything, never starts a program, and doesn't look at the screen: it is told.
package update

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vitrine/content/digest"
	"vitrine/content/release"
	"vitrine/platform/atomicfile"
	"vitrine/platform/disk"
)

// FolderName is that of the folder below the state folder, and recordFile the record's in it.
const (
	FolderName = "releases"
	recordFile = "releases.json"
)

// maxRecord bounds the record, in bytes.
const maxRecord = 1 << 20

// A Release is one that is on disk.
type Release struct {
	// Digest is that of its document, by which it is wanted.
	Digest  digest.Digest `json:"digest"`
	Version string        `json:"version"`
	Made    time.Time     `json:"made"`
	// Program is the digest of the program for this platform, and Size its length in bytes.
	Program digest.Digest `json:"program"`
	Size    int64         `json:"size"`
}

// A Base is the program that is installed.
type Base struct {
	Version string    `json:"version"`
	Built   time.Time `json:"built,omitzero"`
}

// A Folder is the folder of releases. It is used by one process at a time, and one goroutine.
type Folder struct {
	dir    string
	fs     disk.FS
	Record Record
	// unfit are the releases that this run has found not to run.
	unfit map[digest.Digest]bool
	// keys are whose releases are run.
	keys []ed25519.PublicKey
	// damaged tells that the record on disk can't be read.
	damaged bool
}

// Open reads the record of a state folder. A folder that isn't there has an empty one. One that can't be read, with a word in damage, is made anew from the
// releases on disk, of which none is removed then; the next change replaces it.
func Open(fsys disk.FS, state string) (f *Folder, damage error) {
	f = &Folder{dir: filepath.Join(state, FolderName), fs: fsys, unfit: map[digest.Digest]bool{}}
	path := filepath.Join(f.dir, recordFile)
	if f.Record, damage = read(fsys, path); damage != nil {
		f.Record, f.damaged = f.rebuilt(), true
		damage = fmt.Errorf("%s can't be read; the releases on disk are kept, and the newest proves itself again: %w", path, damage)
	}
	return f, damage
}

// Look reads the record of a state folder that another process uses; one that can't be read is as none.
func Look(fsys disk.FS, state string) Record {
	r, _ := read(fsys, filepath.Join(state, FolderName, recordFile))
	return r
}

func read(fsys disk.FS, path string) (r Record, err error) {
	file, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxRecord))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, err
	}
	return r, nil
}

// change changes the record, on disk first. After an error it is as it was.
func (f *Folder) change(edit func(*Record)) error {
	next := f.Record.clone()
	edit(&next)
	if err := f.makeFolder(); err != nil {
		return err
	}
	if err := atomicfile.WriteJSONOn(f.fs, filepath.Join(f.dir, recordFile), next, 0o644); err != nil {
		return err
	}
	f.Record, f.damaged = next, false
	return nil
}

func (f *Folder) makeFolder() error {
	if _, err := f.fs.Stat(f.dir); err == nil {
		return nil
	}
	if err := f.fs.Mkdir(f.dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.fs.SyncDir(filepath.Dir(f.dir))
}

// programFile is the name of a release's program in its folder.
const programFile = "vitrine"

func (f *Folder) release(d digest.Digest) string { return filepath.Join(f.dir, d.Hex()) }

// Program is where the program of a release is.
func (f *Folder) Program(r Release) string { return filepath.Join(f.release(r.Digest), programFile) }

// Running finds the release that a program is which runs: path is its own. It is false for the installed one.
func (f *Folder) Running(path string) (Release, bool) {
	own, err := os.Stat(path)
	if err != nil {
		return Release{}, false
	}
	for _, r := range f.Record.all() {
		if info, err := os.Stat(f.Program(r)); err == nil && os.SameFile(own, info) {
			return r, true
		}
	}
	return Release{}, false
}

// Install puts a release beside the others, whole, and on trial: it is run at the next start. program gives its bytes. What was on trial and never begun
// goes.
func (f *Folder) Install(r Release, document []byte, signature string, program io.Reader) error {
	if t := f.Record.Trial; t != nil && t.Digest == r.Digest {
		return nil
	}
	if err := f.write(r, document, signature, program); err != nil {
		return errors.Join(err, f.Tidy())
	}
	return f.change(func(record *Record) { record.Trial = &Trial{Release: r} })
}

func (f *Folder) write(r Release, document []byte, signature string, program io.Reader) error {
	if err := f.makeFolder(); err != nil {
		return err
	}
	dir := f.release(r.Digest)
	if err := f.fs.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.fs.SyncDir(f.dir); err != nil {
		return err
	}
	if err := atomicfile.WriteOn(f.fs, filepath.Join(dir, release.DocumentFile), document, 0o644); err != nil {
		return err
	}
	if err := atomicfile.WriteOn(f.fs, filepath.Join(dir, release.SignatureFile), []byte(signature+"\n"), 0o644); err != nil {
		return err
	}
	partial := filepath.Join(dir, ".partial")
	if err := f.copy(partial, r, program); err != nil {
		return err
	}
	if err := f.fs.Rename(partial, f.Program(r)); err != nil {
		return err
	}
	return f.fs.SyncDir(dir)
}

// copy writes a program, checks it while it does, and waits for the disk.
func (f *Folder) copy(path string, r Release, program io.Reader) (err error) {
	file, err := f.fs.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Reserve(r.Size); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if err := check(r, io.TeeReader(program, file)); err != nil {
		return err
	}
	return file.Sync()
}

// Tidy removes what is neither the release that runs, nor the one before, nor on trial. Without a record nobody knows what those are.
func (f *Folder) Tidy() error {
	if f.damaged {
		return nil
	}
	entries, err := f.fs.ReadDir(f.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	keep := map[string]bool{}
	for _, r := range f.Record.all() {
		keep[r.Digest.Hex()] = true
	}
	for _, entry := range entries {
		if _, named := digest.Parse("sha256:" + entry.Name()); named == nil && entry.IsDir() && !keep[entry.Name()] {
			err = errors.Join(err, f.remove(filepath.Join(f.dir, entry.Name())))
		}
	}
	return err
}

// remove removes a release's folder, its program first: what is half gone has none.
func (f *Folder) remove(dir string) error {
	entries, err := f.fs.ReadDir(dir)
	for _, name := range append([]string{programFile}, names(entries)...) {
		if e := f.fs.Remove(filepath.Join(dir, name)); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return errors.Join(err, f.fs.Remove(dir))
}

func names(entries []fs.DirEntry) (list []string) {
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
