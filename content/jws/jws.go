// Package jws makes and checks the signatures of a site: JSON Web Signatures in compact form with a detached payload (RFC 7515, appendix F), by
// EdDSA with Ed25519 (RFC 8037, section 3.1).
//
// It owns their form alone. What a signature is for stands in the type in its header, which keeps one that the site made for something else from
// passing.
package jws

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxSignature is the longest signature that is read, in bytes; those of this package have 150 to 250.
const maxSignature = 1024

// encoding is base64url without padding; strict, so that a signature has one spelling. Line breaks, which even the strict
// decoder skips, are refused before.
var encoding = base64.RawURLEncoding.Strict()

// Sign signs a payload. The header is its JSON, with "alg" and "typ" in it.
func Sign(key ed25519.PrivateKey, header, payload []byte) string {
	protected := encoding.EncodeToString(header)
	return protected + ".." + encoding.EncodeToString(ed25519.Sign(key, signingInput(protected, payload)))
}

// Verify checks a signature that Sign, or any JOSE library, made for this type. The signature may be any text; only one that is right, of
// key and of exactly these bytes gives nil.
func Verify(key ed25519.PublicKey, typ string, payload []byte, signature string) error {
	if len(key) != ed25519.PublicKeySize {
		return errors.New("signature: there is no publishing key to check it with")
	}
	if _, err := Header(typ, signature); err != nil {
		return err
	}
	protected, mac, _ := strings.Cut(signature, "..")
	raw, err := encoding.DecodeString(mac)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if !ed25519.Verify(key, signingInput(protected, payload), raw) {
		return errors.New("signature: is not of this site's publishing key, or what it is of was changed")
	}
	return nil
}

// header is what is looked at of every header (RFC 7515, section 4).
type header struct {
	Algorithm string          `json:"alg"`
	Type      string          `json:"typ"`
	Critical  json.RawMessage `json:"crit,omitempty"`
}

// Header is the header of a signature of this type, as JSON. Nothing of it is believed yet.
func Header(typ, signature string) ([]byte, error) {
	protected, mac, ok := strings.Cut(signature, "..")
	if !ok || strings.Contains(protected+mac, ".") || len(signature) > maxSignature || strings.ContainsAny(signature, "\r\n") {
		return nil, errors.New("signature: is not a JWS with a detached payload")
	}
	raw, err := encoding.DecodeString(protected)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, fmt.Errorf("signature: header: %w", err)
	}
	switch {
	case h.Algorithm != "EdDSA":
		return nil, fmt.Errorf("signature: algorithm %.20q; want EdDSA", h.Algorithm)
	case h.Type != typ:
		return nil, fmt.Errorf("signature: it is for a %.40q, not for a %s", h.Type, typ)
	case h.Critical != nil:
		return nil, errors.New("signature: it has critical extensions, of which none are known")
	}
	return raw, nil
}

// signingInput is the header and the payload, each in base64url, with a dot between (RFC 7515, section 5.1).
func signingInput(protected string, payload []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(protected) + 1 + encoding.EncodedLen(len(payload)))
	b.WriteString(protected)
	b.WriteByte('.')
	return encoding.AppendEncode(b.Bytes(), payload)
}
