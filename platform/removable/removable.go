// Package removable notices USB sticks that come and go, and mounts those that the system doesn't.
//
// It owns the watching, and mounts of its own in one private folder: read-only, without programs, devices and links. It leaves alone what the system
// has mounted or uses, never looks at what is on a stick beyond the kind of its file system, and executes nothing on it.
package removable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Folders are where systems mount what is plugged in.
var Folders = []string{"/media", "/run/media", "/mnt"}

// Boot is where an image of ours has its boot partition mounted, read-only: in one of the folders, and so a stick that is always in.
const Boot = "/media/boot"

// pollInterval is how often is looked where the system doesn't say that something has changed.
const pollInterval = 2 * time.Second

// A Change is a stick that has come or gone.
type Change struct {
	// Dir is the folder at which it is mounted.
	Dir string
	// Gone tells that it isn't any more.
	Gone bool
}

// Sticks are those of this machine.
type Sticks struct {
	// Folders are where the system mounts sticks.
	Folders []string
	// Private is the folder for mounts of our own; empty means that none are made.
	Private string
	// Problem is told, once for all that are in, why sticks that the system doesn't mount can't be mounted here. It may be nil.
	Problem func(error)

	// isStick stands in for the look whether a block device, by its path in sysfs, is on a stick.
	//lint:ignore U1000 only on Linux are there mounts of our own
	isStick func(path string) bool
	// writing is held while a stick of our own can be written to.
	writing sync.Mutex
}

// Watch tells of what is mounted below one of the folders, at most two levels deep as desktops do it, and of our own mounts, first of what is there
// already, until ctx ends. Changes come one at a time.
func (s *Sticks) Watch(ctx context.Context, changed func(Change)) error {
	folders := s.Folders
	if s.Private != "" {
		folders = append([]string{s.Private}, folders...)
		var mounting sync.WaitGroup
		defer mounting.Wait()
		mounting.Go(func() { s.mount(ctx) })
	}
	return follow(ctx, folders, changed)
}

// Write calls f while what is mounted at dir can be written to: mounts of our own are read-only at all other times. What the system has mounted is as it
// is.
func (s *Sticks) Write(dir string, f func() error) error {
	if s.Private == "" || filepath.Dir(dir) != filepath.Clean(s.Private) {
		return f()
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := remount(dir, true); err != nil {
		return fmt.Errorf("the stick can't be written to: %w", err)
	}
	return errors.Join(f(), remount(dir, false))
}

// IsStick tells whether what is mounted at a folder is on a stick, as far as the system tells; it may be a disk of the machine's, or of another one.
func IsStick(dir string) bool { return onStick(dir) }

// follow compares what is mounted now with what was.
func follow(ctx context.Context, folders []string, changed func(Change)) error {
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
