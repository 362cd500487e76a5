package store

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vitrine/content/digest"
	"vitrine/platform/atomicfile"
)

// What has come of an asset is incoming/<hex>.part, and beside it <hex>.json says how much of that is durable. The bytes are hashed
// again before any are added: what the disk has is what counts, not what it was given.
const (
	partSuffix = ".part"
	noteSuffix = ".json"
	maxNote    = 4 << 10
)

// An Origin is where the bytes so far came from.
type Origin struct {
	// Source names it; it isn't an address, which may have secrets in it.
	Source digest.Digest `json:"source,omitzero"`
	// ETag is what it calls this version of the file (RFC 9110, section 8.8.3); empty if it has no strong one.
	ETag string `json:"etag,omitempty"`
}

// A note says what a later run can go on with.
type note struct {
	// Size is the length of the whole asset, and Durable that of what has come and survives a power cut.
	Size    int64 `json:"size"`
	Durable int64 `json:"durable"`
	Origin
}

// removeNote removes the note, if there is one.
func (w *Writer) removeNote() error {
	if !w.noted {
		return nil
	}
	w.noted = false
	return w.store.removeNote(w.digest)
}

func (w *Writer) note() note { return note{w.size, w.n, w.origin} }

// Origin is where the bytes so far came from.
func (w *Writer) Origin() Origin { return w.origin }

// SetOrigin notes where the bytes come from.
func (w *Writer) SetOrigin(o Origin) { w.origin = o }

func (s *Store) partPath(d digest.Digest) string {
	return filepath.Join(s.dir, incomingDir, d.Hex()+partSuffix)
}

func (s *Store) notePath(d digest.Digest) string {
	return filepath.Join(s.dir, incomingDir, d.Hex()+noteSuffix)
}

func (s *Store) writeNote(d digest.Digest, n note) error {
	return atomicfile.WriteJSONOn(s.fs, s.notePath(d), n, 0o600)
}

func (s *Store) removeNote(d digest.Digest) error {
	if err := s.fs.Remove(s.notePath(d)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) readNote(d digest.Digest) (n note, err error) {
	data, err := s.readFile(filepath.Join(incomingDir, d.Hex()+noteSuffix), maxNote)
	if err != nil {
		return n, err
	}
	if err := json.Unmarshal(data, &n); err != nil {
		return n, err
	}
	if n.Durable < 1 || n.Durable > n.Size {
		return n, errors.New("it makes no sense")
	}
	return n, nil
}

// resume goes on with what an earlier Writer has left, if it can.
func (w *Writer) resume() {
	n, err := w.store.readNote(w.digest)
	w.noted = !errors.Is(err, fs.ErrNotExist)
	if err != nil || n.Size != w.size {
		return
	}
	path := w.store.partPath(w.digest)
	f, err := w.store.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	got, err := io.CopyBuffer(writerOnly{w.hash}, io.LimitReader(f, n.Durable), make([]byte, bufferSize))
	if err == nil {
		err = f.Truncate(got)
	}
	if err == nil {
		_, err = f.Seek(got, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		w.hash.Reset()
		return
	}
	w.file, w.path, w.n, w.durable, w.origin = f, path, got, got, n.Origin
	w.store.added(-got)
}

// resumable tells whether a file in the incoming folder is one that a Writer can go on with.
func (s *Store) resumable(name string) bool {
	hex, ok := strings.CutSuffix(name, partSuffix)
	other := noteSuffix
	if !ok {
		if hex, ok = strings.CutSuffix(name, noteSuffix); !ok {
			return false
		}
		other = partSuffix
	}
	d, err := digest.Parse("sha256:" + hex)
	if err != nil {
		return false
	}
	info, err := s.fs.Stat(filepath.Join(s.dir, incomingDir, hex+other))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, err = s.readNote(d)
	return err == nil
}

// partials lists the assets of which a part has come, and that no Writer is at work on.
func (s *Store) partials() []Asset {
	entries, err := s.fs.ReadDir(filepath.Join(s.dir, incomingDir))
	if err != nil {
		return nil
	}
	var list []Asset
	for _, entry := range entries {
		hex, ok := strings.CutSuffix(entry.Name(), partSuffix)
		d, err := digest.Parse("sha256:" + hex)
		s.mu.Lock()
		busy := s.writing[d]
		s.mu.Unlock()
		if !ok || err != nil || busy {
			continue
		}
		if info, err := entry.Info(); err == nil {
			list = append(list, Asset{Digest: d, Size: info.Size(), Needed: info.ModTime(), Partial: true})
		}
	}
	return list
}

// Partial is how much of an asset has come, in bytes; 0 if it is here in whole, or not at all.
func (s *Store) Partial(d digest.Digest) int64 {
	n, err := s.readNote(d)
	if err != nil {
		return 0
	}
	return n.Durable
}

func (s *Store) removePartial(d digest.Digest) error {
	if !s.claim(d) {
		return nil // a Writer is at work on it
	}
	defer (&Writer{store: s, digest: d, named: true}).release()
	return errors.Join(s.removeNote(d), s.fs.Remove(s.partPath(d)))
}

// RemovePartials removes what has come of the assets that keep doesn't want.
func (s *Store) RemovePartials(keep func(digest.Digest) bool) error {
	var failures []error
	for _, a := range s.partials() {
		if !keep(a.Digest) {
			failures = append(failures, s.Remove(a))
		}
	}
	return errors.Join(failures...)
}
