package manifest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// signedAs is the type in a signature's header. It keeps a signature that the site made for something else from passing as
// one of a manifest.
const signedAs = "vitrine-manifest"

// header is the protected header of a signature (RFC 7515, section 4).
type header struct {
	Algorithm string          `json:"alg"`
	Type      string          `json:"typ"`
	Critical  json.RawMessage `json:"crit,omitempty"`
}

// maxSignature is the longest signature that Verify takes, in bytes; Sign makes one of 150.
const maxSignature = 1024

// encoding is base64url without padding; strict, so that a signature has one spelling. Line breaks, which even the strict
// decoder skips, Verify refuses itself.
var encoding = base64.RawURLEncoding.Strict()

// Sign makes the signature of a manifest's bytes: a JWS in compact form with a detached payload (RFC 7515, appendix F), by
// EdDSA with Ed25519 (RFC 8037, section 3.1).
func Sign(key ed25519.PrivateKey, manifest []byte) string {
	protected := encoding.EncodeToString([]byte(`{"alg":"EdDSA","typ":"` + signedAs + `"}`))
	return protected + ".." + encoding.EncodeToString(ed25519.Sign(key, signingInput(protected, manifest)))
}

// Verify checks a signature that Sign, or any JOSE library, made. The signature may be any text; only one that is right, of
// key and of exactly these bytes gives nil.
func Verify(key ed25519.PublicKey, manifest []byte, signature string) error {
	if len(key) != ed25519.PublicKeySize {
		return errors.New("signature: there is no publishing key to check it with")
	}
	protected, rest, ok1 := strings.Cut(signature, ".")
	payload, mac, ok2 := strings.Cut(rest, ".")
	if !ok1 || !ok2 || payload != "" || len(signature) > maxSignature || strings.ContainsAny(signature, "\r\n") {
		return errors.New("signature: is not a JWS with a detached payload")
	}
	if err := checkHeader(protected); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	raw, err := encoding.DecodeString(mac)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if !ed25519.Verify(key, signingInput(protected, manifest), raw) {
		return errors.New("signature: is not of this site's publishing key, or the manifest was changed")
	}
	return nil
}

func checkHeader(protected string) error {
	raw, err := encoding.DecodeString(protected)
	if err != nil {
		return err
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	switch {
	case h.Algorithm != "EdDSA":
		return fmt.Errorf("algorithm %.20q; want EdDSA", h.Algorithm)
	case h.Type != signedAs:
		return fmt.Errorf("it is for a %.40q, not for a %s", h.Type, signedAs)
	case h.Critical != nil:
		return errors.New("it has critical extensions, of which none are known")
	}
	return nil
}

// signingInput is the header and the payload, each in base64url, with a dot between (RFC 7515, section 5.1).
func signingInput(protected string, payload []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(protected) + 1 + encoding.EncodedLen(len(payload)))
	b.WriteString(protected)
	b.WriteByte('.')
	return encoding.AppendEncode(b.Bytes(), payload)
}
