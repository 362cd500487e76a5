// Package removable notices USB sticks that come and go, by the folders at which the system mounts them.
//
// It owns the watching alone: it never mounts anything, and never looks at what is on a stick.
package removable

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Folders are where systems mount what is plugged in.
var Folders = []string{"/media", "/run/media", "/mnt"}

// pollInterval is how often is looked where the system doesn't say that something has changed.
const pollInterval = 2 * time.Second

// A Change is a stick that has come or gone.
type Change struct {
	// Dir is the folder at which it is mounted.
	Dir string
	// Gone tells that it isn't any more.
	Gone bool
}

// Watch tells of what is mounted below one of these folders, at most two levels deep as desktops do it, first of what is there already, until ctx
// ends. Changes come one at a time.
func Watch(ctx context.Context, folders []string, changed func(Change)) error {
	known := map[string]bool{}
	look := func() {
		now, err := mounted(folders)
		if err != nil {
			return // the next look may see more
		}
		for _, dir := range slices.Sorted(maps.Keys(known)) {
			if !now[dir] {
				changed(Change{Dir: dir, Gone: true})
			}
		}
		for _, dir := range slices.Sorted(maps.Keys(now)) {
			if !known[dir] {
				changed(Change{Dir: dir})
			}
		}
		known = now
	}
	return watch(ctx, look)
}

// below tells whether dir is below one of the folders, at most two levels deep.
func below(dir string, folders []string) bool {
	for _, folder := range folders {
		rest, ok := strings.CutPrefix(dir, strings.TrimSuffix(folder, "/")+"/")
		if ok && rest != "" && strings.Count(filepath.ToSlash(rest), "/") < 2 {
			return true
		}
	}
	return false
}

// poll looks now and then.
func poll(ctx context.Context, look func()) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		look()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
