package protocol

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Paths of the HTTPS API.
const (
	PathEnroll    = "/v1/enroll"
	PathRenew     = "/v1/renew"
	PathManifests = "/v1/manifests/"
	PathAssets    = "/v1/assets/"
)

// ContentURL is the URL of a path on the server at addr ("host:port"). It is not the two with "https://" before them: the zone
// of a link-local address, as in "[fe80::1%eth0]:7237", is written in another way in URLs (RFC 6874, section 2).
func ContentURL(addr, path string) string {
	return (&url.URL{Scheme: SchemeContent, Host: addr, Path: path}).String()
}

// A Secret is a string that is never shown: it prints, logs and marshals as "[redacted]". Reveal is the one way to its
// value, so that a search for that word finds every use.
type Secret struct{ value string }

const redacted = "[redacted]"

// NewSecret hides value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the value.
func (s Secret) Reveal() string { return s.value }

// Equal compares in constant time.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.value), []byte(o.value)) == 1
}

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A Pin is the SHA-256 of a CA's SubjectPublicKeyInfo, as in RFC 7469.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate's key.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String is the base64url form without padding.
func (p Pin) String() string { return base64.RawURLEncoding.EncodeToString(p[:]) }

// A JoinToken lets a viewer enrol at a site, and tells it which CA to believe.
type JoinToken struct {
	CA     Pin
	ID     string
	Secret Secret
}

const tokenPrefix = "vitrine1"

// NewJoinToken makes a token with a random id and a secret of 160 bits.
func NewJoinToken(ca Pin) JoinToken {
	return JoinToken{CA: ca, ID: strings.ToLower(rand.Text()[:8]), Secret: NewSecret(rand.Text() + rand.Text()[:6])}
}

// Reveal is the token as it is written into a file or given to a person.
func (t JoinToken) Reveal() string {
	return strings.Join([]string{tokenPrefix, t.CA.String(), t.ID, t.Secret.Reveal()}, ".")
}

// ParseJoinToken reads what Reveal wrote. Its errors never repeat the secret.
func ParseJoinToken(s string) (JoinToken, error) {
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(parts) != 4 || parts[0] != tokenPrefix {
		return JoinToken{}, fmt.Errorf("join token: want the form %s.<CA pin>.<id>.<secret>, as `vitrine-server token create` prints it", tokenPrefix)
	}
	pin, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil || len(pin) != sha256.Size {
		return JoinToken{}, errors.New("join token: the second part, the CA pin, is damaged; copy the whole token again")
	}
	if !isWord(parts[2], 32) || !isWord(parts[3], 128) {
		return JoinToken{}, errors.New("join token: the third or fourth part is damaged; copy the whole token again")
	}
	return JoinToken{CA: Pin(pin), ID: parts[2], Secret: NewSecret(parts[3])}, nil
}

// isWord tells whether s is 1 to limit ASCII letters and digits.
func isWord(s string, limit int) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= limit
}

// EnrollRequest is the body of POST /v1/enroll.
type EnrollRequest struct {
	TokenID string `json:"token_id"`
	// Secret is the token's; a plain string, since here it must travel.
	Secret string `json:"secret"`
	// CSR is a PKCS #10 request in PEM, signed by the viewer's new key. Its subject is ignored.
	CSR string `json:"csr"`
	// Name is what the viewer would like to be called.
	Name   string `json:"name"`
	Device Device `json:"device"`
}

// RenewRequest is the body of POST /v1/renew. The certificate of the connection says which viewer asks.
type RenewRequest struct {
	// CSR is as in EnrollRequest, by a key that was not used before.
	CSR    string `json:"csr"`
	Device Device `json:"device"`
}

// EnrollResponse is the answer to both.
type EnrollResponse struct {
	// Viewer is the new viewer's id, and the common name of its certificate.
	Viewer string `json:"viewer"`
	Name   string `json:"name"`
	Site   string `json:"site"`
	// Certificate and CA are PEM.
	Certificate string `json:"certificate"`
	CA          string `json:"ca"`
	// PublishingKey is the base64url of the raw Ed25519 public key (32 bytes) that signs manifests.
	PublishingKey string   `json:"publishing_key"`
	Servers       []Server `json:"servers"`
}

// Problem is an error answer of the HTTPS API (RFC 9457), of media type application/problem+json.
type Problem struct {
	// Type is one of the Problem constants; empty for all that a program needs not tell apart.
	Type   string `json:"type,omitempty"`
	Status int    `json:"status"`
	// Title is the status in words.
	Title string `json:"title"`
	// Detail says what is wrong and what to do.
	Detail string `json:"detail"`
}

// ProblemCloned is the type of a refusal because another machine uses the viewer's identity.
const ProblemCloned = "urn:vitrine:problem:cloned"

const problemType = "application/problem+json"

// WriteProblem answers a request with a Problem of no particular type.
func WriteProblem(w http.ResponseWriter, status int, detail string) {
	Problem{Status: status, Detail: detail}.Write(w)
}

// Write answers a request with the problem; its title is set.
func (p Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	p.Title = http.StatusText(p.Status)
	// An error here means that the client has gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(p)
}

// Error is the detail.
func (p Problem) Error() string { return p.Detail }

// ReadProblem makes an error of an answer that isn't a success, from its Problem if it has one.
func ReadProblem(resp *http.Response) error {
	if resp.Header.Get("Content-Type") == problemType {
		var p Problem
		if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&p); err == nil && p.Detail != "" {
			return p
		}
	}
	return fmt.Errorf("the server answered %s", resp.Status)
}
