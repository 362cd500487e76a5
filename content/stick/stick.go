// Package stick has the form of a programme on a USB stick, or in any folder that is carried from one machine to another.
//
// It owns the folder "vitrine" at the root of a stick: a programme that is written there and read back, and what viewers give back to
// whoever carries it. It never decides whether a programme is to be played, never executes anything, and follows no link out of a stick.
package stick

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Names on a stick, below its root; all are fit for FAT.
const (
	folder        = "vitrine"
	programmeFile = folder + "/programme.json"
	assetDir      = folder + "/assets"
	viewerDir     = folder + "/viewers"
)

// version is that of the form.
const version = 1

// maxProgramme bounds programme.json, in bytes.
const maxProgramme = 64 << 10

// A Programme says what is on a stick.
type Programme struct {
	Version int `json:"version"`
	// Site is whose it is.
	Site string `json:"site"`
	// ID is the manifest's own, for people.
	ID string `json:"id"`
	// Manifest names the manifest, which lies among the assets, and Size is its length in bytes.
	Manifest digest.Digest `json:"manifest"`
	Size     int64         `json:"size"`
	// Signature is by the site's publishing key.
	Signature string    `json:"signature"`
	Exported  time.Time `json:"exported"`
}

// ErrNone says that there is no programme on a stick.
var ErrNone = errors.New("there is no programme on this stick")

// A Stick is one with a programme.
type Stick struct {
	Programme
	// Dir is its root.
	Dir string
}

// Read looks at what is on a stick: the error is ErrNone if it has no programme, and says what is wrong with one that can't be read.
// Nothing of it is believed yet.
func Read(dir string) (*Stick, error) {
	data, err := readFile(dir, programmeFile, maxProgramme)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", programmeFile, err)
	}
	p, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", programmeFile, err)
	}
	return &Stick{p, dir}, nil
}

// parse reads a programme.json.
func parse(data []byte) (Programme, error) {
	var p Programme
	if err := json.Unmarshal(data, &p); err != nil {
		return p, fmt.Errorf("it can't be read (%w); export the programme to the stick again", err)
	}
	switch {
	case p.Version != version:
		return p, fmt.Errorf("it has version %d, and this viewer knows %d; export it with a program of the same version", p.Version, version)
	case p.Manifest.IsZero() || p.Size < 1 || p.Size > manifest.MaxSize:
		return p, errors.New("it names no manifest of a sensible size; export the programme to the stick again")
	}
	return p, nil
}

// Manifest reads the manifest, and checks that it is the one that it is named to be, and signed with key. Nothing else on a stick needs a
// signature: the manifest has the hashes of all of it.
func (s *Stick) Manifest(site string, key ed25519.PublicKey) (*manifest.Manifest, error) {
	if s.Site != site {
		return nil, fmt.Errorf("the programme on it is of site %.60q, and this viewer belongs to %q", s.Site, site)
	}
	data, err := readFile(s.Dir, assetPath(s.Programme.Manifest), s.Size)
	if err != nil {
		return nil, fmt.Errorf("the manifest on it can't be read: %w", err)
	}
	if digest.Of(data) != s.Programme.Manifest {
		return nil, errors.New("the manifest on it is damaged; export the programme to the stick again")
	}
	if err := manifest.Verify(key, data, s.Signature); err != nil {
		return nil, fmt.Errorf("the programme on it isn't signed by this viewer's site: %w", err)
	}
	return manifest.Parse(data)
}

// Open opens an asset; the error is fs.ErrNotExist if it isn't on the stick.
func (s *Stick) Open(d digest.Digest) (*os.File, error) { return open(s.Dir, assetPath(d)) }

// assetPath is where an asset lies on a stick.
func assetPath(d digest.Digest) string {
	return assetDir + "/" + d.Hex()[:1] + "/" + d.Hex()
}

// open opens a regular file below dir, without following a link out of it.
func open(dir, name string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // before it is opened: a pipe would never open
		return nil, fmt.Errorf("%s: it is not a file", name)
	}
	return root.Open(name)
}

func readFile(dir, name string, most int64) ([]byte, error) {
	f, err := open(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is longer than the %d bytes that it may have", most)
	}
	return data, err
}

// GiveBack writes something for whoever carries the stick: a file of this name in the folder of a viewer. It replaces an earlier one.
func GiveBack(dir, viewer, name string, data []byte) error {
	at := filepath.Join(dir, filepath.FromSlash(viewerDir), safeName(viewer))
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	return put(context.Background(), filepath.Join(at, name), bytes.NewReader(data))
}

// safeName makes a viewer's name fit for any file system: what FAT and shells have a meaning for becomes "-".
func safeName(name string) string {
	safe := []rune(name)
	for i, r := range safe {
		if r < ' ' || bytes.ContainsRune([]byte(`<>:"/\|?*.`), r) {
			safe[i] = '-'
		}
	}
	if len(safe) > 60 {
		safe = safe[:60]
	}
	return string(safe)
}
