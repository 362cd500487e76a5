// Package digest names content by the SHA-256 of its bytes.
//
// It owns the written form of that name and never reads or stores content itself.
package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

const prefix = "sha256:"

// A Digest is the SHA-256 of some content. It is comparable, and written as "sha256:" and 64 lower-case hex digits
// in text and JSON. The zero Digest names nothing.
type Digest [sha256.Size]byte

// Of is the digest of b.
func Of(b []byte) Digest { return sha256.Sum256(b) }

// Parse reads the written form. Upper-case digits are refused: a name has one spelling, since it is used as a key, in
// URLs and in file names.
func Parse(s string) (Digest, error) {
	var d Digest
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != hex.EncodedLen(len(d)) || strings.ToLower(digits) != digits {
		return Digest{}, fmt.Errorf("digest %.100q: want %q and 64 lower-case hex digits", s, prefix)
	}
	if _, err := hex.Decode(d[:], []byte(digits)); err != nil {
		return Digest{}, fmt.Errorf("digest %.100q: %w", s, err)
	}
	return d, nil
}

// IsZero tells whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// Hex is the 64 digits without the "sha256:" prefix, for file names.
func (d Digest) Hex() string { return hex.EncodeToString(d[:]) }

// Short is the first twelve digits, for logs and screens that a person reads.
func (d Digest) Short() string { return d.Hex()[:12] }

// String is the written form.
func (d Digest) String() string { return prefix + d.Hex() }

// MarshalText gives the written form; the zero Digest becomes the empty string.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText is Parse, and takes the empty string for the zero Digest.
func (d *Digest) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := Parse(string(b))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
