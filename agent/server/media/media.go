// Package media is a folder of pictures and videos as a list of what can be played.
//
// It owns the folder's watch: it notices what is added, changed and removed, waits for the end of a copy, names each file by
// its hash, and looks into it for its type and length. It never changes the folder and makes no programme of it.
package media

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"vitrine/content/digest"
	"vitrine/platform/filebusy"
)

// An Item is one picture or video.
type Item struct {
	// Path is relative to the folder, with slashes.
	Path string `json:"path"`
	// Name is the file's name without its folder.
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
	// Type is the media type, as the bytes say.
	Type string `json:"type"`
	// Duration is the length of a video; 0 if it doesn't say.
	Duration time.Duration `json:"duration,omitempty"`
	// Modified is when the file was last written; with Size it tells whether the file has changed since.
	Modified time.Time `json:"modified"`
}

// Config says how to watch a folder.
type Config struct {
	// Index is a file that remembers the hashes, so that a restart needn't read everything again; empty means none.
	Index string
	// Settle is how long a file must be left alone before it is taken for complete; 0 means 300 ms.
	Settle time.Duration
	// Log gets what is skipped and why; nil means nothing.
	Log *slog.Logger
}

// ProgrammeFile is the file in the folder that says what is done with the others. This package only watches it.
const ProgrammeFile = "programme.json"

// maxProgramme is its largest size, in bytes.
const maxProgramme = 8 << 20

const (
	defaultSettle = 300 * time.Millisecond
	// rescan is how often the folder is looked through although nothing was heard: network file systems tell nothing.
	rescan = time.Minute
)

// A Folder is a watched folder. Make one with New; its methods are safe for concurrent use.
type Folder struct {
	dir     string
	config  Config
	log     *slog.Logger
	ready   chan struct{}
	changed chan struct{}

	mu       sync.Mutex
	items    []Item
	byDigest map[digest.Digest]Item
	// programme is what ProgrammeFile has in it.
	programme []byte

	// The rest belongs to Run.
	index   *index
	skipped map[string]time.Time
	lost    bool
}

// New checks the folder and reads the index.
func New(dir string, c Config) (*Folder, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Settle <= 0 {
		c.Settle = defaultSettle
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("media folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("media folder: %s is a file; give the folder that it is in", dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("media folder: %w", err)
	}
	return &Folder{
		dir: dir, config: c, log: c.Log,
		ready: make(chan struct{}), changed: make(chan struct{}, 1),
		index: loadIndex(c.Index, c.Log), skipped: map[string]time.Time{},
	}, nil
}

// Ready is closed when the folder has been looked through for the first time.
func (f *Folder) Ready() <-chan struct{} { return f.ready }

// Changed gets a value when Items has changed since the last one was taken.
func (f *Folder) Changed() <-chan struct{} { return f.changed }

// String names the task.
func (f *Folder) String() string { return "media folder" }

// Items are the pictures and videos, in the natural order of their paths: img2 before img10.
func (f *Folder) Items() []Item {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.items)
}

// Programme is what ProgrammeFile has in it, as of the last look; nil if there is none.
func (f *Folder) Programme() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.programme
}

// Open opens the file with that digest, if it is as it was when the digest was made.
func (f *Folder) Open(d digest.Digest) (*os.File, Item, error) {
	f.mu.Lock()
	item, ok := f.byDigest[d]
	f.mu.Unlock()
	if !ok {
		return nil, Item{}, fmt.Errorf("no file in the media folder is %s", d)
	}
	file, err := os.Open(filepath.Join(f.dir, filepath.FromSlash(item.Path)))
	if err != nil {
		return nil, Item{}, err
	}
	info, err := file.Stat()
	if err == nil && (info.Size() != item.Size || !info.ModTime().Equal(item.Modified)) {
		err = fmt.Errorf("%s has changed; the next programme will have the new one", item.Path)
	}
	if err != nil {
		file.Close()
		return nil, Item{}, err
	}
	return file, item, nil
}

// Run watches until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("media folder: %w", err)
	}
	defer watcher.Close()
	again := f.scan(ctx, watcher)
	if ctx.Err() != nil {
		return nil
	}
	close(f.ready)
	timer := time.NewTimer(f.pause(again))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			again = f.scan(ctx, watcher)
			timer.Reset(f.pause(again))
			continue
		case <-watcher.Events:
		case err := <-watcher.Errors:
			f.log.Debug("The media folder's watch had an error; looking through it", "err", err)
		}
		// Only the first event sets the timer: a long copy, which is one event after the other, must not put off the rest.
		if !again {
			again = true
			timer.Reset(f.config.Settle)
		}
	}
}

// pause is the wait before the next scan: short while a file is being written.
func (f *Folder) pause(again bool) time.Duration {
	if again {
		return f.config.Settle
	}
	return rescan
}

// scan looks through the folder. again tells that some file isn't complete yet.
func (f *Folder) scan(ctx context.Context, watcher *fsnotify.Watcher) (again bool) {
	var items []Item
	var programme []byte
	err := filepath.WalkDir(f.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == f.dir:
			return err
		case err != nil:
			return nil // it went while we looked
		case path != f.dir && ignored(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			f.watch(watcher, path)
			return nil
		case path == filepath.Join(f.dir, ProgrammeFile):
			var wait bool
			programme, wait = f.readProgramme(path)
			again = again || wait
			return nil
		}
		item, wait := f.look(ctx, path)
		again = again || wait
		if item != nil {
			items = append(items, *item)
		}
		return nil
	})
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		if !f.lost {
			f.log.Error("The media folder can't be read; the programme stays as it is until it can", "err", err)
		}
		f.lost = true
		return false
	}
	if f.lost {
		f.lost = false
		f.log.Info("The media folder can be read again")
	}
	f.replace(items, programme)
	f.index.save(items, f.log)
	return again
}

// watch follows a folder's events; to watch one twice does nothing.
func (f *Folder) watch(watcher *fsnotify.Watcher, dir string) {
	if err := watcher.Add(dir); err != nil {
		f.log.Warn("A folder can't be watched; changes in it are noticed within a minute", "err", err, "folder", dir)
	}
}

// ignored tells whether a name is one of files that aren't meant to be seen, or not yet.
func ignored(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") {
		return true
	}
	lower := strings.ToLower(name)
	for _, ending := range []string{"~", ".part", ".partial", ".crdownload", ".tmp", ".filepart", ".!ut", "thumbs.db", "desktop.ini"} {
		if strings.HasSuffix(lower, ending) {
			return true
		}
	}
	return false
}

// readProgramme reads ProgrammeFile. wait tells that it isn't complete yet, and what was read last stays.
func (f *Folder) readProgramme(path string) (data []byte, wait bool) {
	file, err := os.Open(path)
	if err != nil {
		f.log.Warn("The programme in the media folder can't be read", "err", err)
		return f.Programme(), false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || f.beingWritten(file, info) {
		return f.Programme(), err == nil
	}
	data, err = io.ReadAll(io.LimitReader(file, maxProgramme))
	if err != nil {
		f.log.Warn("The programme in the media folder can't be read", "err", err)
		return f.Programme(), false
	}
	return data, false
}

// replace makes items what Items gives, and programme what Programme does.
func (f *Folder) replace(items []Item, programme []byte) {
	slices.SortFunc(items, func(a, b Item) int { return naturalCompare(a.Path, b.Path) })
	byDigest := make(map[digest.Digest]Item, len(items))
	for _, item := range items {
		byDigest[item.Digest] = item
	}
	f.mu.Lock()
	same := slices.Equal(f.items, items) && bytes.Equal(f.programme, programme)
	f.items, f.byDigest, f.programme = items, byDigest, programme
	f.mu.Unlock()
	if same {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// look makes an item of a file; nil if it is none. wait tells that it isn't complete yet.
func (f *Folder) look(ctx context.Context, path string) (item *Item, wait bool) {
	info, err := os.Stat(path) // of what a link points to
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, false
	}
	relative, err := filepath.Rel(f.dir, path)
	if err != nil {
		return nil, false
	}
	relative = filepath.ToSlash(relative)
	if known, ok := f.index.find(relative, info); ok {
		return &known, false
	}
	if f.skipped[relative].Equal(info.ModTime()) {
		return nil, false
	}
	file, err := os.Open(path)
	if err != nil {
		f.skip(relative, info, "it can't be read: "+err.Error())
		return nil, false
	}
	defer file.Close()
	if f.beingWritten(file, info) {
		return nil, true
	}
	found, err := identify(file, info)
	if err != nil {
		f.skip(relative, info, err.Error())
		return nil, false
	}
	found.Path, found.Name = relative, filepath.Base(path)
	if found.Digest, err = hashFile(ctx, file); err != nil {
		return nil, false
	}
	if after, err := file.Stat(); err != nil || after.Size() != info.Size() || !after.ModTime().Equal(info.ModTime()) {
		return nil, true
	}
	f.index.put(found)
	return &found, false
}

// beingWritten tells whether a copy is still under way. Where the system can't say, a file must have been left alone for
// twice the settling time.
func (f *Folder) beingWritten(file *os.File, info fs.FileInfo) bool {
	busy, err := filebusy.Busy(file)
	if err == nil {
		return busy
	}
	age := time.Since(info.ModTime())
	return age >= 0 && age < 2*f.config.Settle
}

// skip says once why a file isn't played.
func (f *Folder) skip(path string, info fs.FileInfo, reason string) {
	f.skipped[path] = info.ModTime()
	f.log.Warn("A file in the media folder is not played: "+reason, "file", path)
}

// hashBuffer is how much is read at once.
const hashBuffer = 256 << 10

func hashFile(ctx context.Context, file *os.File) (digest.Digest, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return digest.Digest{}, err
	}
	h := sha256.New()
	buffer := make([]byte, hashBuffer)
	for {
		n, err := file.Read(buffer)
		h.Write(buffer[:n])
		switch {
		case errors.Is(err, io.EOF):
			return digest.Digest(h.Sum(nil)), nil
		case err != nil:
			return digest.Digest{}, err
		case ctx.Err() != nil:
			return digest.Digest{}, ctx.Err()
		}
	}
}
