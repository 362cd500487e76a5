package media

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"vitrine/platform/atomicfile"
)

// An index remembers what files were. A file is known if its path, size and time of writing are those of then.
type index struct {
	path  string
	items map[string]Item
	saved []Item
}

// loadIndex reads an index. One that can't be read is as good as none: it saves time and nothing else.
func loadIndex(path string, log *slog.Logger) *index {
	x := &index{path: path, items: map[string]Item{}}
	if path == "" {
		return x
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &x.saved)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("The index of the media folder can't be used; every file is read again", "err", err)
		x.saved = nil
	}
	for _, item := range x.saved {
		x.items[item.Path] = item
	}
	return x
}

func (x *index) find(path string, info fs.FileInfo) (Item, bool) {
	item, ok := x.items[path]
	return item, ok && item.Size == info.Size() && item.Modified.Equal(info.ModTime())
}

func (x *index) put(item Item) { x.items[item.Path] = item }

// save writes the index if it changed, and forgets files that are gone.
func (x *index) save(items []Item, log *slog.Logger) {
	current := slices.Clone(items)
	slices.SortFunc(current, func(a, b Item) int { return strings.Compare(a.Path, b.Path) })
	clear(x.items)
	for _, item := range current {
		x.items[item.Path] = item
	}
	if x.path == "" || slices.Equal(current, x.saved) {
		return
	}
	if err := atomicfile.WriteJSON(x.path, current, 0o600); err != nil {
		log.Warn("The index of the media folder can't be written; a restart reads every file again", "err", err)
		return
	}
	x.saved = current
}
