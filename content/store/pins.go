package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
)

// pinsFile lists what is pinned.
const pinsFile = "pins.json"

// maxPins bounds the file.
const maxPins = 1 << 20

// A Pin says that an asset, or a manifest with its assets, stays on disk although no generation needs it.
type Pin struct {
	// Since is when it was pinned.
	Since time.Time `json:"since"`
	// Size is the length in bytes, and Signature that of a manifest; it is empty for an asset.
	Size int64 `json:"size"`
	// Name and Type are what the manifest called it that had it.
	Name      string `json:"name,omitempty"`
	Type      string `json:"type,omitempty"`
	Signature string `json:"signature,omitempty"`
}

// Pins lists what is pinned.
func (s *Store) Pins() map[digest.Digest]Pin {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.pins)
}

// SetPin pins something, or with a nil pin takes that back. It is durable once it returns nil.
func (s *Store) SetPin(d digest.Digest, pin *Pin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.pins)
	delete(next, d)
	if pin != nil {
		next[d] = *pin
	}
	if err := atomicfile.WriteJSONOn(s.fs, filepath.Join(s.dir, pinsFile), next, 0o644); err != nil {
		return fmt.Errorf("pinning: %w", err)
	}
	s.pins = next
	return nil
}

// loadPins reads what is pinned. A file that can't be read is set aside: nothing is removed only because a pin was lost, before the
// disk is full.
func (s *Store) loadPins() {
	data, err := s.readFile(pinsFile, maxPins)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	pins := map[digest.Digest]Pin{}
	if err == nil {
		err = json.Unmarshal(data, &pins)
	}
	if err != nil {
		s.log.Error("The list of what is pinned is damaged and is set aside", "err", err, "file", filepath.Join(s.dir, pinsFile))
		s.setFileAside(pinsFile)
		return
	}
	s.pins = pins
}

// setFileAside keeps a damaged file of the folder for a person to look at.
func (s *Store) setFileAside(name string) {
	path := filepath.Join(s.dir, name)
	if s.config.ReadOnly {
		return
	}
	if err := s.fs.Rename(path, path+".damaged"); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Error("A damaged file can't be set aside", "err", err)
	}
}
