// Package release defines the document that names a release of the viewer: its version, until when it may be taken, and the program for each platform.
//
// It owns the document's form and its signature. It does no I/O, never asks for the time, and doesn't decide what is run: that is package update's job.
package release

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"vitrine/content/digest"
	"vitrine/content/jws"
)

// Format is the format of the document that this package reads and writes.
const Format = 1

// Limits in bytes: of a document, and of a program.
const (
	MaxSize        = 64 << 10
	MaxProgramSize = 256 << 20
)

// maxVersion is the length of the longest version in bytes, and maxPrograms the most programs.
const (
	maxVersion  = 64
	maxPrograms = 64
)

// Names of a release's files in its folder, and their media types over HTTP.
const (
	DocumentFile  = "release.json"
	SignatureFile = "release.jws"
	ContentType   = "application/vnd.vitrine.release+json"
	ProgramType   = "application/octet-stream"
)

// signedAs is the type in a signature's header: a site's own key makes none of these.
const signedAs = "vitrine-release"

// A Release is one version of the viewer. It is named by the SHA-256 of its bytes, so it must be kept as bytes.
type Release struct {
	// Format is always 1.
	Format int `json:"format"`
	// Version is what people call it.
	Version string `json:"version"`
	// Made is when its programs were made. It is what tells the newer of two.
	Made time.Time `json:"made"`
	// Expires is from when on it isn't taken any more; who has it keeps it.
	Expires time.Time `json:"expires"`
	// Programs are the program for each platform.
	Programs []Program `json:"programs"`
}

// A Platform is what a program runs on, in Go's words.
type Platform struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	// ARM is the version of the architecture for arm: 5, 6 or 7; else 0.
	ARM int `json:"arm,omitempty"`
}

// String is such as linux/arm v7.
func (p Platform) String() string {
	if p.ARM == 0 {
		return p.OS + "/" + p.Arch
	}
	return fmt.Sprintf("%s/%s v%d", p.OS, p.Arch, p.ARM)
}

// A Program is the viewer for one platform.
type Program struct {
	Platform
	// File is its path in the release's folder, with slashes.
	File string `json:"file"`
	// Size is its length in bytes.
	Size   int64         `json:"size"`
	Digest digest.Digest `json:"digest"`
}

// For gives the program that is best for a platform: on arm the one for the highest version that this is.
func (r *Release) For(p Platform) (best Program, ok bool) {
	for _, c := range r.Programs {
		if c.OS == p.OS && c.Arch == p.Arch && c.ARM <= p.ARM && (!ok || c.ARM > best.ARM) {
			best, ok = c, true
		}
	}
	return best, ok
}

// Parse reads a document and checks all of it. Fields that this version doesn't know are ignored.
func Parse(data []byte) (*Release, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("release: %d bytes are more than the limit of %d", len(data), MaxSize)
	}
	var r Release
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	return &r, r.validate()
}

// Marshal checks a document and gives the bytes to sign.
func Marshal(r *Release) ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(r, "", " ")
	return append(data, '\n'), err
}

func (r *Release) validate() error {
	switch {
	case r.Format != Format:
		return fmt.Errorf("release: format: %d; this program knows %d", r.Format, Format)
	case !isVersion(r.Version):
		return fmt.Errorf("release: version: %.80q; want 1 to %d letters, digits and . - + ~ _", r.Version, maxVersion)
	case r.Made.Unix() <= 0:
		return errors.New("release: made: it isn't said when it was made")
	case !r.Expires.After(r.Made):
		return errors.New("release: expires: must be after made")
	case len(r.Programs) == 0 || len(r.Programs) > maxPrograms:
		return fmt.Errorf("release: programs: there are %d; want 1 to %d", len(r.Programs), maxPrograms)
	}
	seen := map[Platform]bool{}
	for i, p := range r.Programs {
		if err := p.validate(); err != nil {
			return fmt.Errorf("release: programs[%d].%w", i, err)
		}
		if seen[p.Platform] {
			return fmt.Errorf("release: programs[%d]: there is another for %v", i, p.Platform)
		}
		seen[p.Platform] = true
	}
	return nil
}

func (p Program) validate() error {
	switch {
	case p.OS == "" || p.Arch == "":
		return errors.New("os, arch: both are required")
	case (p.Arch == "arm") != (p.ARM >= 5 && p.ARM <= 7) || p.Arch != "arm" && p.ARM != 0:
		return fmt.Errorf("arm: %d; want 5, 6 or 7 with the architecture arm, and none with others", p.ARM)
	case !fs.ValidPath(p.File) || p.File == ".":
		return fmt.Errorf("file: %.80q is not a path in the release's folder", p.File)
	case p.Size < 1 || p.Size > MaxProgramSize:
		return fmt.Errorf("size: %d is out of range; want 1 to %d", p.Size, MaxProgramSize)
	case p.Digest.IsZero():
		return errors.New("digest: is required")
	}
	return nil
}

// isVersion takes what can stand in a file name, a topic and a line of a terminal.
func isVersion(s string) bool {
	if s == "" || len(s) > maxVersion {
		return false
	}
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '-' && c != '+' && c != '~' && c != '_' {
			return false
		}
	}
	return true
}

// Sign makes the signature of a document's bytes: a detached JWS, as a manifest has, with another type.
func Sign(key ed25519.PrivateKey, document []byte) string {
	return jws.Sign(key, []byte(`{"alg":"EdDSA","typ":"`+signedAs+`"}`), document)
}

// ErrNoKey is that no key is known by which a release could be believed.
var ErrNoKey = errors.New("no key is known whose releases are believed; name the vendor's with update.keys in the settings")

// Verify checks that one of these keys has signed exactly these bytes as a release.
func Verify(keys []ed25519.PublicKey, document []byte, signature string) error {
	if len(keys) == 0 {
		return ErrNoKey
	}
	if _, err := jws.Header(signedAs, signature); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	for _, key := range keys {
		if jws.Verify(key, signedAs, document, signature) == nil {
			return nil
		}
	}
	return errors.New("release: it is signed by none of the keys that are believed, or was changed after that")
}

// FormatKey writes a public key as settings and the linker have it: in base64url.
func FormatKey(key ed25519.PublicKey) string { return base64.RawURLEncoding.EncodeToString(key) }

// ParseKey reads it.
func ParseKey(text string) (ed25519.PublicKey, error) {
	key, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%.60q is not a public key of `vitrine-server release new-key`: want 43 characters of base64url", text)
	}
	return key, nil
}
