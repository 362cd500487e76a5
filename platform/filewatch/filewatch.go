// Package filewatch tells when a file that people edit has other content.
//
// It owns the watch on the file's folder, since editors put a new file in the place of the old one, and a look each minute, for file systems
// that tell nothing. It never says what is in the file.
package filewatch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long a folder must be quiet before the file is looked at: an editor does several things to save.
	quiet = 200 * time.Millisecond
	// pollInterval is the time between looks that nothing has called for.
	pollInterval = time.Minute
	// maxSize bounds what is compared, in bytes.
	maxSize = 1 << 20
)

// Watch calls changed each time the file has other content than before, is there or isn't any more, and whenever again delivers something, until ctx ends.
// was is the content that the caller knows; nil if it knows of no file.
func Watch(ctx context.Context, path string, was []byte, again <-chan os.Signal, changed func()) error {
	w := watcher{path: path, was: was}
	defer w.close()
	w.open()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	settle := time.NewTimer(0)
	defer settle.Stop()
	for {
		forced := false
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-w.events():
			if !ok {
				w.close()
			}
			settle.Reset(quiet)
			continue
		case <-settle.C:
		case <-poll.C:
			w.open() // the folder may have come, or be another one
		case <-again:
			forced = true
		}
		if w.news() || forced {
			changed()
		}
	}
}

// A watcher knows what the file was. Without a notifier it is only polled.
type watcher struct {
	path     string
	was      []byte
	notifier *fsnotify.Watcher
}

// open watches the folder as it is now. A folder that can't be watched is polled.
func (w *watcher) open() {
	if w.notifier == nil {
		n, err := fsnotify.NewWatcher()
		if err != nil {
			return
		}
		w.notifier = n
	}
	if w.notifier.Add(filepath.Dir(w.path)) != nil {
		w.close()
	}
}

func (w *watcher) close() {
	if w.notifier != nil {
		_ = w.notifier.Close() // nothing is lost with it
		w.notifier = nil
	}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w.notifier == nil {
		return nil
	}
	return w.notifier.Events
}

// news tells whether the file is another than it was. One that can't be read, for another reason than that it isn't there, is news once.
func (w *watcher) news() bool {
	now, err := read(w.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		now = []byte("\x00" + err.Error())
	}
	if bytes.Equal(now, w.was) && (now == nil) == (w.was == nil) {
		return false
	}
	w.was = now
	return true
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize))
}
