package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
)

// generationFile names the generations. Activation is the replacement of this one file. backupFile is the same a moment
// later: flash that loses power while it writes may damage what an earlier write had stored, and the two are rarely hit by
// the same cut.
const (
	generationFile = "generations.json"
	backupFile     = "generations.backup.json"
)

// A Generation is an activated manifest.
type Generation struct {
	// Manifest names the manifest, which is in the store as an asset, and Size is its length.
	Manifest digest.Digest `json:"manifest"`
	Size     int64         `json:"size"`
	// Signature proves who made it.
	Signature string    `json:"signature"`
	Activated time.Time `json:"activated"`
}

// generations is the form of generationFile. Count grows with each activation, so that of two valid files the later one is
// known; Check is the digest of the rest, so that damage which leaves valid JSON is found as well.
type generations struct {
	Count    int64         `json:"count"`
	Current  *Generation   `json:"current"`
	Previous *Generation   `json:"previous,omitempty"`
	Check    digest.Digest `json:"check,omitzero"`
}

// sum is what Check must be.
func (g generations) sum() (digest.Digest, error) {
	g.Check = digest.Digest{}
	data, err := json.Marshal(g)
	return digest.Of(data), err
}

// Current is the active generation; ok is false before the first.
func (s *Store) Current() (g Generation, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return deref(s.generations.Current)
}

// Previous is the generation before the current one; ok is false if there is none.
func (s *Store) Previous() (g Generation, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return deref(s.generations.Previous)
}

func deref(g *Generation) (Generation, bool) {
	if g == nil {
		return Generation{}, false
	}
	return *g, true
}

// Activate makes g the current generation, and the current one the previous. It is for a generation whose manifest and
// assets are all in the store. On an error the generations are as they were.
func (s *Store) Activate(g Generation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := generations{Count: s.generations.Count + 1, Current: &g, Previous: s.generations.Current}
	if next.Previous != nil && next.Previous.Manifest == g.Manifest {
		next.Previous = s.generations.Previous
	}
	return s.replaceGenerations(next)
}

// Rollback makes the previous generation the current one, and forgets the one that was: it is damaged or unwanted.
func (s *Store) Rollback() (Generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generations.Previous == nil {
		return Generation{}, errors.New("there is no previous generation to go back to")
	}
	next := generations{Count: s.generations.Count + 1, Current: s.generations.Previous}
	return *next.Current, s.replaceGenerations(next)
}

// replaceGenerations makes next valid and durable. s.mu is held.
func (s *Store) replaceGenerations(next generations) (err error) {
	if next.Check, err = next.sum(); err != nil {
		return fmt.Errorf("activating: %w", err)
	}
	if err := atomicfile.WriteJSONOn(s.fs, filepath.Join(s.dir, generationFile), next, 0o644); err != nil {
		return fmt.Errorf("activating: %w", err)
	}
	s.generations = next
	if err := atomicfile.WriteJSONOn(s.fs, filepath.Join(s.dir, backupFile), next, 0o644); err != nil {
		s.log.Warn("The second copy of the list of generations can't be written", "err", err)
	}
	return nil
}

// loadGenerations takes the later of the two files that can be read. One that can't is set aside, and both are made the
// same again.
func (s *Store) loadGenerations() {
	whole := 0
	for _, name := range []string{generationFile, backupFile} {
		g, err := s.readGenerations(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			s.log.Error("A list of generations is damaged and is set aside", "err", err, "file", filepath.Join(s.dir, name))
			s.setFileAside(name)
		case g.Count == s.generations.Count:
			whole++
		case g.Count > s.generations.Count:
			s.generations, whole = g, 1
		}
	}
	if whole == 1 && !s.config.ReadOnly {
		if err := s.replaceGenerations(s.generations); err != nil {
			s.log.Error("The list of generations can't be mended", "err", err)
		}
	}
}

// maxGenerations bounds the list of generations.
const maxGenerations = 64 << 10

func (s *Store) readGenerations(name string) (generations, error) {
	data, err := s.readFile(name, maxGenerations)
	if err != nil {
		return generations{}, err
	}
	var g generations
	if err := json.Unmarshal(data, &g); err != nil {
		return generations{}, err
	}
	if g.Count < 1 || g.Current == nil || g.Current.Manifest.IsZero() {
		return generations{}, errors.New("it names no current generation")
	}
	if sum, err := g.sum(); err != nil || sum != g.Check {
		return generations{}, errors.New("its bytes have changed")
	}
	return g, nil
}
