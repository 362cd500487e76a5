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
	"sync"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// Bounds of what is kept of each viewer.
const (
	eventDir  = "events"
	maxEvents = 1000
)

// A history keeps what viewers say that happened to them, on disk, each thing once: a message that is sent again because its acknowledgement got
// lost is known by its id. It is safe for concurrent use, by one process.
type history struct {
	dir string

	mu sync.Mutex
	// ids are those of each viewer's events on disk, oldest first; read when they are first needed.
	ids map[string][]string
}

func newHistory(site string) (*history, error) {
	h := &history{dir: filepath.Join(site, eventDir), ids: map[string][]string{}}
	return h, os.MkdirAll(h.dir, 0o700)
}

func (h *history) path(viewer string) string { return filepath.Join(h.dir, viewer+".jsonl") }

// add keeps an event, durably, before it returns. It is false for one that is there already.
func (h *history) add(viewer string, e protocol.Event) (fresh bool, err error) {
	if !isID(viewer) || e.ID == "" {
		return false, errors.New("an event needs an id")
	}
	line, err := json.Marshal(e)
	if err != nil {
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	ids, known := h.ids[viewer]
	if !known {
		events, err := h.read(viewer)
		if err != nil {
			return false, err
		}
		for _, e := range events {
			ids = append(ids, e.ID)
		}
		h.ids[viewer] = ids
	}
	if slices.Contains(ids, e.ID) {
		return false, nil
	}
	if len(ids) >= 2*maxEvents {
		if err := h.shorten(viewer); err != nil {
			return false, err
		}
		ids = h.ids[viewer]
	}
	if err := appendLine(h.path(viewer), line); err != nil {
		return false, err
	}
	h.ids[viewer] = append(ids, e.ID)
	return true, nil
}

func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// shorten keeps the last maxEvents. h.mu is held.
func (h *history) shorten(viewer string) error {
	events, err := h.read(viewer)
	if err != nil {
		return err
	}
	events = events[max(0, len(events)-maxEvents):]
	var b bytes.Buffer
	var ids []string
	lines := json.NewEncoder(&b)
	for _, e := range events {
		if err := lines.Encode(e); err != nil {
			return err
		}
		ids = append(ids, e.ID)
	}
	h.ids[viewer] = ids
	return atomicfile.Write(h.path(viewer), b.Bytes(), 0o600)
}

// read gives a viewer's events, oldest first. A line that a power cut left half written is left out.
func (h *history) read(viewer string) ([]protocol.Event, error) {
	data, err := os.ReadFile(h.path(viewer))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var events []protocol.Event
	for line := range bytes.Lines(data) {
		var e protocol.Event
		if json.Unmarshal(line, &e) == nil {
			events = append(events, e)
		}
	}
	return events, nil
}

// Events are what a viewer, by id or name, has said that happened to it: the last n at most, oldest first.
func (s *Site) Events(idOrName string, n int) ([]protocol.Event, error) {
	v, err := s.Viewer(idOrName)
	if err != nil {
		return nil, err
	}
	h := &history{dir: filepath.Join(s.dir, eventDir)}
	events, err := h.read(v.ID)
	if err != nil {
		return nil, fmt.Errorf("events of %s: %w", v.Name, err)
	}
	return events[max(0, len(events)-n):], nil
}
