package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// A Viewer is one that the site has taken in.
type Viewer struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Enrolled time.Time `json:"enrolled"`
	// Token is the id of the join token that it came with.
	Token  string          `json:"token"`
	Device protocol.Device `json:"device"`
}

// newID makes an id that sorts by time and is safe in topics, file names and certificates.
func newID() string { return strings.ToLower(ulid.Make().String()) }

// Viewers lists the viewers, oldest first.
func (s *Site) Viewers() ([]Viewer, error) {
	ids, err := listIDs(filepath.Join(s.dir, viewerDir))
	if err != nil {
		return nil, err
	}
	viewers := make([]Viewer, 0, len(ids))
	for _, id := range ids {
		var v Viewer
		if err := readJSON(s.viewerPath(id), &v); err != nil {
			return nil, err
		}
		viewers = append(viewers, v)
	}
	slices.SortFunc(viewers, func(a, b Viewer) int { return strings.Compare(a.ID, b.ID) })
	return viewers, nil
}

// Viewer is the viewer with that id or name. By id it costs the reading of one file, however many viewers there are: every
// request and message of a viewer asks.
func (s *Site) Viewer(idOrName string) (Viewer, error) {
	if isID(idOrName) {
		var v Viewer
		if err := readJSON(s.viewerPath(idOrName), &v); !errors.Is(err, fs.ErrNotExist) {
			return v, err
		}
	}
	viewers, err := s.Viewers()
	if err != nil {
		return Viewer{}, err
	}
	for _, v := range viewers {
		if v.Name == idOrName {
			return v, nil
		}
	}
	return Viewer{}, fmt.Errorf("no viewer is called %.80q; `vitrine-server viewers list` shows them", idOrName)
}

func (s *Site) viewerPath(id string) string { return filepath.Join(s.dir, viewerDir, id+".json") }

// A refusal is an enrolment that can't be granted, as opposed to one that failed here.
type refusal struct{ reason string }

func (r refusal) Error() string { return r.reason }

// Enrol takes a viewer in: it checks token and request, signs a certificate and keeps a record.
func (s *Site) Enrol(r protocol.EnrollRequest) (protocol.EnrollResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	viewers, err := s.Viewers()
	if err != nil {
		return protocol.EnrollResponse{}, err
	}
	if err := s.checkToken(r.TokenID, r.Secret, viewers); err != nil {
		return protocol.EnrollResponse{}, refusal{err.Error()}
	}
	public, err := parseCSR(r.CSR)
	if err != nil {
		return protocol.EnrollResponse{}, refusal{"certificate request: " + err.Error()}
	}
	if err := protocol.CheckName(r.Name); err != nil {
		return protocol.EnrollResponse{}, refusal{err.Error()}
	}
	v := Viewer{
		ID: newID(), Name: freeName(r.Name, viewers), Enrolled: time.Now().UTC().Truncate(time.Second),
		Token: r.TokenID, Device: r.Device,
	}
	der, err := s.issue(v.ID, public, viewerLife, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return protocol.EnrollResponse{}, err
	}
	if err := atomicfile.WriteJSON(s.viewerPath(v.ID), v, 0o600); err != nil {
		return protocol.EnrollResponse{}, err
	}
	return protocol.EnrollResponse{
		Viewer: v.ID, Name: v.Name, Site: s.record.Name,
		Certificate:   string(encodeCertificate(der)),
		CA:            string(encodeCertificate(s.ca.Raw)),
		PublishingKey: base64.RawURLEncoding.EncodeToString(s.publish[32:]),
	}, nil
}

// parseCSR checks that whoever asks holds the key, and that it is of the kind that the protocol wants.
func parseCSR(text string) (*ecdsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("it is not in PEM form")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, err
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the key must be ECDSA P-256")
	}
	return key, nil
}

// freeName is name, or name with a number if another viewer has it: people give commands by name.
func freeName(name string, viewers []Viewer) string {
	taken := func(n string) bool {
		return slices.ContainsFunc(viewers, func(v Viewer) bool { return v.Name == n || v.ID == n })
	}
	candidate := name
	for i := 2; taken(candidate); i++ {
		candidate = fmt.Sprintf("%s-%d", name, i)
	}
	return candidate
}
