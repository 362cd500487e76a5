package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vitrine/agent/protocol"
)

const (
	playsDir = "plays"
	// playsKept is for how many months, the present one included, plays are kept.
	playsKept = 14
	// playsKnown is how many of a viewer's last plays are known by their ids. A viewer that got no answer sends no more than 300 of them again.
	playsKnown = 512
	monthForm  = "2006-01"
)

// A register keeps what viewers have played, on disk, each play once: a folder for each viewer, with a file for each month in which plays came in. It is safe
// for concurrent use, by one process.
type register struct {
	dir string
	now func() time.Time

	mu sync.Mutex
	// ids are those of each viewer's last plays; read when they are first needed.
	ids map[string][]string
}

func newRegister(site string) (*register, error) {
	r := &register{dir: filepath.Join(site, playsDir), now: time.Now, ids: map[string][]string{}}
	return r, os.MkdirAll(r.dir, 0o700)
}

// add keeps plays, durably, before it returns. It gives how many of them are new.
func (r *register) add(viewer string, plays []protocol.Play) (fresh int, err error) {
	if !isID(viewer) {
		return 0, errors.New("plays need a viewer")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, err := r.known(viewer)
	if err != nil {
		return 0, err
	}
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, p := range plays {
		if slices.Contains(ids, p.ID) {
			continue
		}
		if err := lines.Encode(p); err != nil {
			return 0, err
		}
		ids = append(ids, p.ID)
		fresh++
	}
	if fresh == 0 {
		return 0, nil
	}
	dir := filepath.Join(r.dir, viewer)
	file := filepath.Join(dir, r.now().UTC().Format(monthForm)+".jsonl")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := errors.Join(os.MkdirAll(dir, 0o700), r.forget(dir)); err != nil {
			return 0, err
		}
	}
	if err := appendWhole(file, b.Bytes()); err != nil {
		return 0, err
	}
	r.ids[viewer] = slices.Clone(ids[max(0, len(ids)-playsKnown):])
	return fresh, nil
}

// appendWhole adds lines to a file, durably. If a power cut left half a line at its end, they begin on a new one.
func appendWhole(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if last := make([]byte, 1); info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			data = append([]byte("\n"), data...)
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// known are the ids of a viewer's last plays. r.mu is held.
func (r *register) known(viewer string) ([]string, error) {
	if ids, ok := r.ids[viewer]; ok {
		return ids, nil
	}
	files, err := playFiles(filepath.Join(r.dir, viewer))
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, file := range files[max(0, len(files)-2):] {
		if err := readPlays(file, func(p protocol.Play) { ids = append(ids, p.ID) }); err != nil {
			return nil, err
		}
	}
	return ids[max(0, len(ids)-playsKnown):], nil
}

// forget removes the months that are too old.
func (r *register) forget(dir string) error {
	files, err := playFiles(dir)
	if err != nil {
		return err
	}
	now := r.now().UTC()
	oldest := time.Date(now.Year(), now.Month()-playsKept+1, 1, 0, 0, 0, 0, time.UTC).Format(monthForm)
	for _, file := range files {
		if filepath.Base(file) < oldest {
			err = errors.Join(err, os.Remove(file))
		}
	}
	return err
}

// playFiles are the files of a viewer, oldest first.
func playFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var files []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jsonl")
		if _, bad := time.Parse(monthForm, name); ok && bad == nil {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, err
}

// readPlays reads a file line by line; a line that isn't whole is left out.
func readPlays(file string, each func(protocol.Play)) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		var p protocol.Play
		if json.Unmarshal(line, &p) == nil && p.ID != "" {
			each(p)
		}
	}
	return nil
}

// A Played is a play with whose it is.
type Played struct {
	Viewer string `json:"viewer"`
	protocol.Play
}

// Plays calls each with the plays that began from from on and before to, of one viewer, by id or name, or of all if it is empty: viewer by viewer, in the order
// in which they came in.
func (s *Site) Plays(idOrName string, from, to time.Time, each func(Played)) error {
	viewers, err := s.Viewers()
	if err != nil {
		return err
	}
	if idOrName != "" {
		v, err := s.Viewer(idOrName)
		if err != nil {
			return err
		}
		viewers = []Viewer{v}
	}
	for _, v := range viewers {
		files, err := playFiles(filepath.Join(s.dir, playsDir, v.ID))
		if err != nil {
			return fmt.Errorf("plays of %s: %w", v.Name, err)
		}
		for _, file := range files {
			err := readPlays(file, func(p protocol.Play) {
				if !p.Start.Before(from) && p.Start.Before(to) {
					each(Played{v.Name, p})
				}
			})
			if err != nil {
				return fmt.Errorf("plays of %s: %w", v.Name, err)
			}
		}
	}
	return nil
}
