package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"vitrine/content/digest"
)

// A Writer takes the bytes of one asset, in pieces, and puts it in its place once they are all there and right. It is used
// by one goroutine. Whoever makes one must call Commit or Abort.
type Writer struct {
	store  *Store
	digest digest.Digest
	size   int64
	file   *os.File
	hash   hash.Hash
	n      int64
}

// Create begins an asset. A disk on which it doesn't fit is refused at once, with a *SpaceError.
func (s *Store) Create(d digest.Digest, size int64) (*Writer, error) {
	if err := s.Room(size); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(s.dir, incomingDir), d.Short()+"-*")
	if err != nil {
		return nil, err
	}
	return &Writer{store: s, digest: d, size: size, file: f, hash: sha256.New()}, nil
}

// Write takes more bytes. More than were announced are a *SizeError.
func (w *Writer) Write(b []byte) (int, error) {
	if w.n+int64(len(b)) > w.size {
		return 0, &SizeError{Want: w.size, Got: w.n + int64(len(b))}
	}
	n, err := w.file.Write(b)
	w.hash.Write(b[:n])
	w.n += int64(n)
	return n, err
}

// Written is how many bytes there are so far.
func (w *Writer) Written() int64 { return w.n }

// Restart forgets the bytes so far.
func (w *Writer) Restart() error {
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := w.file.Truncate(0); err != nil {
		return err
	}
	w.hash.Reset()
	w.n = 0
	return nil
}

// Commit checks length and hash, and puts the asset in its place: once it returns nil, the asset is there after any power
// cut. On an error nothing is: wrong bytes are a *SizeError or *MismatchError.
func (w *Writer) Commit() (err error) {
	defer func() {
		if err != nil {
			w.Abort()
		}
	}()
	if w.n != w.size {
		return &SizeError{Want: w.size, Got: w.n}
	}
	if err := check(w.digest, w.hash); err != nil {
		return err
	}
	if err := w.file.Chmod(0o444); err != nil {
		return err
	}
	// A failed sync is final: the kernel may have dropped the bytes and would report success the next time.
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("the disk did not take the file: %w", err)
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	path := w.store.path(w.digest)
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Rename(w.file.Name(), path); err != nil {
		return err
	}
	if err := w.store.syncDirs(w.digest); err != nil {
		_ = os.Remove(path) // what may be gone after a power cut must not count as being here
		return fmt.Errorf("the disk did not take the file's name: %w", err)
	}
	return nil
}

// Abort removes what was written.
func (w *Writer) Abort() {
	// Errors are of no use here: what stays is removed at the next start.
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
}

// Put stores an asset that is at hand, such as a manifest.
func (s *Store) Put(d digest.Digest, size int64, r io.Reader) error {
	w, err := s.Create(d, size)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Abort()
		return err
	}
	return w.Commit()
}
