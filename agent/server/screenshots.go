package server

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

const (
	screenshotDir = "screenshots"
	// maxScreenshots is how many are kept of each viewer.
	maxScreenshots = 20
)

// An album keeps pictures of viewers' screens on disk, the last few of each: a folder for each viewer, with a file for each picture, by its ULID. It is safe for
// concurrent use, by one process.
type album struct {
	dir string
	mu  sync.Mutex
}

func newAlbum(site string) *album { return &album{dir: filepath.Join(site, screenshotDir)} }

// errPicture is that something isn't a picture that can be kept.
var errPicture = errors.New("that is not a JPEG picture; an empty or broken one is of no use")

// add keeps a picture, durably, before it returns, and removes the oldest of the viewer's if there are too many.
func (a *album) add(viewer, id string, data []byte) error {
	if !isID(viewer) {
		return errors.New("a picture needs a viewer")
	}
	if err := protocol.CheckPlayID(id); err != nil {
		return err
	}
	if _, err := jpeg.DecodeConfig(bytes.NewReader(data)); err != nil {
		return errPicture
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	dir := filepath.Join(a.dir, viewer)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, id+".jpg"), data, 0o600); err != nil {
		return err
	}
	pictures, err := filepath.Glob(filepath.Join(dir, "*.jpg")) // in their order, which is that of time
	if err != nil {
		return err
	}
	for _, old := range pictures[:max(0, len(pictures)-maxScreenshots)] {
		err = errors.Join(err, os.Remove(old))
	}
	return err
}

// putScreenshot takes a picture of a viewer's own screen.
func (a *api) putScreenshot(w http.ResponseWriter, r *http.Request) {
	cert := r.Context().Value(peerKey{}).(*x509.Certificate) // viewersOnly has looked at it
	viewer, id := r.PathValue("viewer"), r.PathValue("id")
	if cert.Subject.CommonName != viewer {
		protocol.WriteProblem(w, http.StatusForbidden, "a viewer may put pictures of its own screen here only")
		return
	}
	if r.Header.Get("Content-Type") != protocol.ScreenshotType || protocol.CheckPlayID(id) != nil {
		protocol.WriteProblem(w, http.StatusBadRequest, "want a picture of the type "+protocol.ScreenshotType+", under a ULID")
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, protocol.MaxScreenshot))
	if err == nil {
		err = a.album.add(viewer, id, data)
	}
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case err == nil:
		w.WriteHeader(http.StatusNoContent)
	case large:
		protocol.WriteProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the picture has more than %d bytes", protocol.MaxScreenshot))
	case errors.Is(err, errPicture):
		protocol.WriteProblem(w, http.StatusUnprocessableEntity, err.Error())
	default:
		a.log.Error("A picture of a screen can't be kept", "viewer", viewer, "err", err)
		protocol.WriteProblem(w, http.StatusInternalServerError, "the picture can't be kept; the server's log says why")
	}
}

// Screenshot is a picture of a viewer's screen that the server has, of the viewer by that id or name.
func (s *Site) Screenshot(idOrName, id string) ([]byte, error) {
	v, err := s.Viewer(idOrName)
	if err != nil {
		return nil, err
	}
	if err := protocol.CheckPlayID(id); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(s.dir, screenshotDir, v.ID, id+".jpg"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no picture %s of %s on this server", id, v.Name)
	}
	return data, err
}
