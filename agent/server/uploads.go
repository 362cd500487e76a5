package server

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // what viewers send
	_ "image/png"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// maxUploads is how many of each kind are kept of each viewer.
const maxUploads = 20

// A shelf keeps uploads of one kind on disk, the last few of each viewer: a folder for each viewer, with a file for each upload, by its ULID. It is safe for
// concurrent use, by one process.
type shelf struct {
	protocol.Upload
	dir string
	// check says why data isn't what it should be; an empty or broken file helps nobody.
	check func(data []byte) error
	mu    sync.Mutex
}

// newShelves makes one for each kind, in a folder of its name.
func newShelves(site string) []*shelf {
	return []*shelf{
		{Upload: protocol.Screenshot, dir: filepath.Join(site, protocol.Screenshot.Kind), check: isPicture},
		{Upload: protocol.SupportBundle, dir: filepath.Join(site, protocol.SupportBundle.Kind), check: isGzip},
	}
}

// errUpload is that something isn't what it should be.
var errUpload = errors.New("an empty or broken file is of no use")

func isPicture(data []byte) error {
	if _, _, err := image.DecodeConfig(bytes.NewReader(data)); err != nil {
		return fmt.Errorf("that is neither a JPEG nor a PNG picture; %w", errUpload)
	}
	return nil
}

// isGzip looks at the first bytes (RFC 1952, section 2.3.1).
func isGzip(data []byte) error {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b, 8}) {
		return fmt.Errorf("that is not a gzip file; %w", errUpload)
	}
	return nil
}

// add keeps an upload, durably, before it returns, and removes the oldest of the viewer's if there are too many.
func (s *shelf) add(viewer, id string, data []byte) error {
	if !isID(viewer) {
		return errors.New("an upload needs a viewer")
	}
	if err := protocol.CheckPlayID(id); err != nil {
		return err
	}
	if err := s.check(data); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := filepath.Join(s.dir, viewer)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, id+s.Ending), data, 0o600); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+s.Ending)) // in their order, which is that of time
	if err != nil {
		return err
	}
	for _, old := range files[:max(0, len(files)-maxUploads)] {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

// putUpload takes what is a viewer's own.
func (a *api) putUpload(s *shelf) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cert := r.Context().Value(peerKey{}).(*x509.Certificate) // viewersOnly has looked at it
		viewer, id := r.PathValue("viewer"), r.PathValue("id")
		if cert.Subject.CommonName != viewer {
			protocol.WriteProblem(w, http.StatusForbidden, "a viewer may put here only what is its own")
			return
		}
		kind := r.Header.Get("Content-Type")
		if kind != s.Type && (kind != s.Lossless || kind == "") || protocol.CheckPlayID(id) != nil {
			protocol.WriteProblem(w, http.StatusBadRequest, "want something of the type "+s.Type+", under a ULID")
			return
		}
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.Max))
		if err == nil {
			err = s.add(viewer, id, data)
		}
		_, large := errors.AsType[*http.MaxBytesError](err)
		switch {
		case err == nil:
			w.WriteHeader(http.StatusNoContent)
		case large:
			protocol.WriteProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("it has more than %d bytes", s.Max))
		case errors.Is(err, errUpload):
			protocol.WriteProblem(w, http.StatusUnprocessableEntity, err.Error())
		default:
			a.log.Error("What a viewer sends can't be kept", "viewer", viewer, "kind", s.Kind, "err", err)
			protocol.WriteProblem(w, http.StatusInternalServerError, "it can't be kept; the server's log says why")
		}
	}
}

// Upload is what the viewer of that id or name has put on the server.
func (s *Site) Upload(idOrName string, kind protocol.Upload, id string) ([]byte, error) {
	v, err := s.Viewer(idOrName)
	if err != nil {
		return nil, err
	}
	if err := protocol.CheckPlayID(id); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(s.dir, kind.Kind, v.ID, id+kind.Ending))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is nothing of the name %s from %s on this server", id, v.Name)
	}
	return data, err
}
