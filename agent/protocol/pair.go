package protocol

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// PathPair is where a viewer without a join token asks to be taken in.
const PathPair = "/v1/pair"

// A Nonce is a number that is used once, by one end of a pairing.
type Nonce [16]byte

// NewNonce makes a random one.
func NewNonce() (n Nonce) {
	rand.Read(n[:])
	return n
}

// MarshalText writes base64url without padding.
func (n Nonce) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(n[:])), nil
}

// UnmarshalText reads it.
func (n *Nonce) UnmarshalText(text []byte) error {
	data, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil || len(data) != len(n) {
		return fmt.Errorf("a nonce is the base64url of %d bytes", len(n))
	}
	copy(n[:], data)
	return nil
}

// PairRequest is the body of POST /v1/pair. The viewer first commits itself to a nonce, and shows it only once it has the server's: so
// neither end, and nobody between them, can choose what the code will be.
type PairRequest struct {
	// CSR is as in EnrollRequest.
	CSR string `json:"csr"`
	// Name is what the viewer would like to be called.
	Name   string `json:"name"`
	Device Device `json:"device"`
	// Commitment is the base64url of the SHA-256 of the viewer's nonce and its public key (Commit).
	Commitment string `json:"commitment"`
	// Nonce is the viewer's, from its second request on.
	Nonce *Nonce `json:"nonce,omitempty"`
}

// PairResponse is the answer to a viewer that must wait, with status 202. Once a person has approved it the answer is an EnrollResponse,
// with status 200.
type PairResponse struct {
	Site string `json:"site"`
	// Nonce is the server's.
	Nonce Nonce `json:"nonce"`
	// RetryAfter is in how many seconds the viewer is to ask again.
	RetryAfter int `json:"retry_after"`
}

// Commit is a viewer's commitment to a nonce, beside its public key (a DER SubjectPublicKeyInfo).
func Commit(viewer []byte, nonce Nonce) string {
	sum := sha256.Sum256(slices.Concat(nonce[:], viewer))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Form of pairing codes.
const (
	// codeAlphabet has no characters that look like others.
	codeAlphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	codeLength   = 6
	// codeRounds makes a code cost about a quarter of a second on a small ARM processor.
	codeRounds = 50_000
)

// PairingCode is what both ends show, such as "K7M-4QX": 30 bits of PBKDF2-HMAC-SHA-256 (RFC 8018) over the viewer's public key (a DER
// SubjectPublicKeyInfo), the pin of the site's CA, and both nonces.
func PairingCode(viewer []byte, ca Pin, ofViewer, ofServer Nonce) (string, error) {
	key, err := pbkdf2.Key(sha256.New, string(slices.Concat(ca[:], viewer)), slices.Concat(ofViewer[:], ofServer[:]), codeRounds, codeLength)
	if err != nil {
		return "", err
	}
	code := make([]byte, codeLength)
	for i, b := range key {
		code[i] = codeAlphabet[int(b)%len(codeAlphabet)]
	}
	return string(code[:3]) + "-" + string(code[3:]), nil
}

// ParsePairingCode reads a code as people write it, in any case, with or without what stands between its parts.
func ParsePairingCode(s string) (code string, ok bool) {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToUpper(strings.TrimSpace(s)))
	if len(s) != codeLength || strings.Trim(s, codeAlphabet) != "" {
		return "", false
	}
	return s[:3] + "-" + s[3:], true
}
