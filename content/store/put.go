package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"vitrine/content/digest"
	"vitrine/platform/disk"
)

const (
	// checkpointTime is how often what has come of a large asset is made durable: a power cut costs no more than the fetching of that
	// time, on a thin line as on a fast one.
	checkpointTime = 30 * time.Second
	// worthKeeping is how many bytes of an asset must have come for a note that lets a later run go on with them.
	worthKeeping = 64 << 10
	// writeBackBytes is how many bytes are in memory at most before the disk begins to take them, and worthReserving the length of an
	// asset from which room for it is taken at the beginning.
	writeBackBytes = 8 << 20
	worthReserving = 8 << 20
)

// A Writer takes the bytes of one asset, in pieces, and puts it in its place once they are all there and right. It is used
// by one goroutine. Whoever makes one must call Commit, Suspend or Abort.
type Writer struct {
	store  *Store
	digest digest.Digest
	size   int64
	file   disk.File
	path   string
	hash   hash.Hash
	n      int64
	origin Origin
	// counted tells that it counts as open, from the first bytes on.
	counted bool
	// named tells that the file has the name under which a later Writer looks for it.
	named bool
	// noted tells that there is a note beside it, be it of an earlier Writer.
	noted bool
	// durable is up to where the note says that the bytes are durable; since is when that was.
	durable int64
	since   time.Time
	// syncing gives the end of the checkpoint that is under way, or is nil; failed is why one did not succeed.
	syncing chan error
	failed  error
}

// Create begins an asset, or goes on with what an earlier Writer of it has left: see Written. A disk on which the rest doesn't fit is
// refused at once, with a *SpaceError.
func (s *Store) Create(d digest.Digest, size int64) (*Writer, error) {
	w := &Writer{store: s, digest: d, size: size, hash: sha256.New(), since: time.Now()}
	w.named = s.claim(d)
	if w.named {
		w.resume()
	}
	if err := s.Room(size - w.n); err != nil {
		w.Suspend()
		return nil, err
	}
	if w.file != nil {
		return w, nil
	}
	w.path = s.partPath(d)
	if err := w.removeNote(); err != nil {
		w.release()
		return nil, err
	}
	if !w.named {
		w.path = filepath.Join(s.dir, incomingDir, fmt.Sprintf("%s-%08x", d.Hex(), rand.Uint32()))
	}
	var err error
	if w.file, err = s.fs.OpenFile(w.path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644); err != nil {
		w.release()
		return nil, err
	}
	if size >= worthReserving {
		if err := w.file.Reserve(size); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			w.Abort()
			return nil, err
		}
	}
	return w, nil
}

// claim says that a Writer is at work on an asset; false means that another one is already.
func (s *Store) claim(d digest.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing[d] {
		return false
	}
	s.writing[d] = true
	return true
}

func (w *Writer) release() {
	if w.counted {
		w.counted = false
		w.store.commits.opened(-1)
	}
	if w.named {
		w.store.mu.Lock()
		delete(w.store.writing, w.digest)
		w.store.mu.Unlock()
		w.named = false
	}
}

// Write takes more bytes. More than were announced are a *SizeError. After another error the Writer can only be suspended or aborted.
func (w *Writer) Write(b []byte) (int, error) {
	if w.n+int64(len(b)) > w.size {
		return 0, &SizeError{Want: w.size, Got: w.n + int64(len(b))}
	}
	if w.failed != nil {
		return 0, w.failed
	}
	if !w.counted {
		w.counted = true
		w.store.commits.opened(1)
	}
	hashed := w.hashBeside(b)
	n, err := w.file.Write(b)
	hashed()
	w.n += int64(n)
	if err != nil {
		w.failed = err
		return n, err
	}
	if w.n/writeBackBytes != (w.n-int64(n))/writeBackBytes {
		w.file.WriteBack()
	}
	w.checkpoint()
	return n, nil
}

// hashBeside hashes b while the caller writes it, on machines with more than one core; the function that it gives waits for that. Of a
// few bytes the hash takes less time than the switch.
func (w *Writer) hashBeside(b []byte) (wait func()) {
	if len(b) < 32<<10 {
		w.hash.Write(b)
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.hash.Write(b)
	}()
	return func() { <-done }
}

// checkpoint makes what has come so far durable now and then, beside the writing, and notes it.
func (w *Writer) checkpoint() {
	if w.syncing != nil {
		select {
		case err := <-w.syncing:
			w.synced(err)
		default:
			return // one at a time
		}
	}
	due := w.n-w.durable >= worthKeeping && time.Since(w.since) >= checkpointTime
	if !w.named || !due || w.failed != nil {
		return
	}
	done, note := make(chan error, 1), w.note()
	w.noted = true
	w.durable, w.since, w.syncing = w.n, time.Now(), done
	go func() {
		err := w.file.Sync()
		if err == nil {
			err = w.store.writeNote(w.digest, note)
		}
		done <- err
	}()
}

// settle waits for a checkpoint that is under way.
func (w *Writer) settle() error {
	if w.syncing != nil {
		w.synced(<-w.syncing)
	}
	return w.failed
}

func (w *Writer) synced(err error) {
	w.syncing = nil
	if err != nil && w.failed == nil {
		w.failed = fmt.Errorf("the disk did not take the file: %w", err)
	}
}

// Written is how many bytes there are so far.
func (w *Writer) Written() int64 { return w.n }

// Restart forgets the bytes so far.
func (w *Writer) Restart() error {
	if err := w.settle(); err != nil {
		return err
	}
	// First the note: it must never promise bytes that are gone.
	if err := w.removeNote(); err != nil {
		return err
	}
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := w.file.Truncate(0); err != nil {
		return err
	}
	w.hash.Reset()
	w.n, w.durable, w.origin = 0, 0, Origin{}
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
	if err := w.settle(); err != nil {
		return err
	}
	if err := w.store.commits.do(w); err != nil {
		return err
	}
	_ = w.removeNote() // one without its bytes is removed at the next start, if not here
	w.release()
	w.store.Vouch(w.digest)
	return nil
}

// Suspend ends the writing and keeps what has come, so that Create goes on with it, also after a restart. It gives how many bytes that
// are: 0 if there are too few, or the disk doesn't take them.
func (w *Writer) Suspend() (kept int64) {
	if w.file == nil {
		w.release()
		return 0
	}
	if w.settle() != nil || !w.named || w.n < worthKeeping || w.file.Sync() != nil || w.store.writeNote(w.digest, w.note()) != nil {
		w.Abort()
		return 0
	}
	_ = w.file.Close()
	w.store.added(w.n)
	w.release()
	return w.n
}

// Abort removes what was written. It may be called again.
func (w *Writer) Abort() {
	if w.file == nil {
		w.release()
		return
	}
	_ = w.settle()
	// Errors are of no use here: what stays is removed at the next start.
	_ = w.removeNote()
	_ = w.file.Close()
	_ = w.store.fs.Remove(w.path)
	w.release()
}

// Put stores an asset that is at hand, such as a manifest.
func (s *Store) Put(d digest.Digest, size int64, r io.Reader) error {
	w, err := s.Create(d, size)
	if err != nil {
		return err
	}
	if w.Written() > 0 {
		if err := w.Restart(); err != nil { // r begins at its beginning
			w.Abort()
			return err
		}
	}
	if _, err := io.CopyBuffer(writerOnly{w}, r, make([]byte, min(bufferSize, size+1))); err != nil {
		w.Abort()
		return err
	}
	return w.Commit()
}

// writerOnly hides all but Write, so that a copy uses its own buffer.
type writerOnly struct{ io.Writer }
