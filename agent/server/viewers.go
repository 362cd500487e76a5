package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	// Token is the id of the join token that it came with, or Paired the code that a person compared.
	Token  string          `json:"token,omitempty"`
	Paired string          `json:"paired,omitempty"`
	Device protocol.Device `json:"device"`
	// Keys are the hashes of the public keys that it may use: of its certificate, and of the one before, which it still has if a renewal's
	// answer got lost.
	Keys []string `json:"keys,omitempty"`
	// Renewed is when it last had its certificate renewed.
	Renewed time.Time `json:"renewed,omitzero"`
	// Link is the hash of the key in the link of a viewer that is a browser, and EndedLinks are those of links that it had before. A device has none.
	Link       string   `json:"link_sha256,omitempty"`
	EndedLinks []string `json:"ended_links_sha256,omitempty"`
	// Revoked is when it was turned out; zero for one that belongs to the site.
	Revoked time.Time `json:"revoked,omitzero"`
}

// newID makes an id that sorts by time and is safe in topics, file names and certificates.
func newID() string { return strings.ToLower(ulid.Make().String()) }

// Viewers lists the viewers, oldest first.
func (s *Site) Viewers() ([]Viewer, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, viewerDir))
	if err != nil {
		return nil, err
	}
	s.readMu.Lock()
	defer s.readMu.Unlock()
	viewers := make([]Viewer, 0, len(entries))
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".json")
		if !ok || !isID(id) {
			continue
		}
		v, err := s.readViewer(id, entry)
		if err != nil {
			return nil, err
		}
		viewers = append(viewers, v)
	}
	slices.SortFunc(viewers, func(a, b Viewer) int { return strings.Compare(a.ID, b.ID) })
	return viewers, nil
}

// A readRecord is a viewer's record as it was when its file was last read.
type readRecord struct {
	info   fs.FileInfo
	viewer Viewer
}

// readViewer reads a viewer's record, unless its file is the one that was read before: a site has thousands, and files are only ever replaced.
// s.readMu is held.
func (s *Site) readViewer(id string, entry fs.DirEntry) (Viewer, error) {
	info, err := entry.Info()
	if err != nil {
		return Viewer{}, err
	}
	if known, ok := s.read[id]; ok && os.SameFile(known.info, info) && known.info.ModTime().Equal(info.ModTime()) {
		return known.viewer, nil
	}
	var v Viewer
	if err := readJSON(s.viewerPath(id), &v); err != nil {
		return Viewer{}, err
	}
	s.read[id] = readRecord{info, v}
	return v, nil
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
	if v.Keys, err = keysOf(public); err != nil {
		return protocol.EnrollResponse{}, err
	}
	der, err := s.issue(v.ID, public, s.viewerLife, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return protocol.EnrollResponse{}, err
	}
	if err := atomicfile.WriteJSON(s.viewerPath(v.ID), v, 0o600); err != nil {
		return protocol.EnrollResponse{}, err
	}
	return s.response(v, der), nil
}

// response is what a viewer gets that was taken in or whose certificate was renewed.
func (s *Site) response(v Viewer, certificate []byte) protocol.EnrollResponse {
	return protocol.EnrollResponse{
		Viewer: v.ID, Name: v.Name, Site: s.record.Name,
		Certificate:   string(encodeCertificate(certificate)),
		CA:            string(encodeCertificate(s.ca.Raw)),
		PublishingKey: base64.RawURLEncoding.EncodeToString(s.publish[32:]),
	}
}

// Renew signs a new certificate for the viewer that shows one of the site's, which may have expired no longer ago than grace.
func (s *Site) Renew(shown *x509.Certificate, grace time.Duration, r protocol.RenewRequest) (protocol.EnrollResponse, error) {
	if late := time.Since(shown.NotAfter); late > grace {
		return protocol.EnrollResponse{}, refusal{fmt.Sprintf(
			"the certificate expired on %s, longer ago than this site allows; enrol this viewer again with a new join token", shown.NotAfter.Format(time.DateOnly))}
	}
	public, err := parseCSR(r.CSR)
	if err != nil {
		return protocol.EnrollResponse{}, refusal{"certificate request: " + err.Error()}
	}
	if old, ok := shown.PublicKey.(*ecdsa.PublicKey); ok && old.Equal(public) {
		return protocol.EnrollResponse{}, refusal{"certificate request: it must be for a new key"}
	}
	var response protocol.EnrollResponse
	id := shown.Subject.CommonName
	if _, err := s.Viewer(id); err != nil {
		return protocol.EnrollResponse{}, refusal{"this site doesn't know this viewer any more; enrol it again with a new join token"}
	}
	err = s.change(id, func(v *Viewer) error {
		if err := v.admits(shown); err != nil {
			return refusal{err.Error()}
		}
		if v.Keys, err = keysOf(shown.PublicKey, public); err != nil {
			return err
		}
		der, err := s.issue(v.ID, public, s.viewerLife, x509.ExtKeyUsageClientAuth)
		if err != nil {
			return err
		}
		v.Renewed, v.Device = time.Now().UTC().Truncate(time.Second), r.Device
		response = s.response(*v, der)
		return nil
	})
	return response, err
}

// Browser tells whether a viewer is a browser with a link, and not a device with an agent.
func (v Viewer) Browser() bool { return v.Link != "" }

// admitted says why a viewer may have nothing.
func (v Viewer) admitted() error {
	if !v.Revoked.IsZero() {
		return fmt.Errorf("viewer %s was revoked on %s; enrol it again with a new join token", v.Name, v.Revoked.Format(time.DateOnly))
	}
	return nil
}

// admits says why a viewer that shows that certificate may have nothing.
func (v Viewer) admits(shown *x509.Certificate) error {
	if err := v.admitted(); err != nil {
		return err
	}
	if v.Browser() {
		return fmt.Errorf("viewer %s is a browser, and has no certificate", v.Name)
	}
	keys, err := keysOf(shown.PublicKey)
	if err != nil {
		return err
	}
	// Records of earlier versions have no keys.
	if len(v.Keys) > 0 && !slices.Contains(v.Keys, keys[0]) {
		return fmt.Errorf("another machine has taken the place of viewer %s; enrol this one with a join token of its own", v.Name)
	}
	return nil
}

// keysOf hashes public keys.
func keysOf(public ...any) (keys []string, err error) {
	for _, key := range public {
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(der)
		keys = append(keys, hex.EncodeToString(sum[:]))
	}
	return keys, nil
}

// change edits a viewer's record. What edit returns an error for stays as it was.
func (s *Site) change(idOrName string, edit func(*Viewer) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.Viewer(idOrName)
	if err != nil {
		return err
	}
	if err := edit(&v); err != nil {
		return err
	}
	return atomicfile.WriteJSON(s.viewerPath(v.ID), v, 0o600)
}

// Revoke turns a viewer out, for good: its certificate is worth nothing from now on.
func (s *Site) Revoke(idOrName string) (Viewer, error) {
	var revoked Viewer
	err := s.change(idOrName, func(v *Viewer) error {
		if v.Revoked.IsZero() {
			v.Revoked = time.Now().UTC().Truncate(time.Second)
		}
		revoked = *v
		return nil
	})
	return revoked, err
}

// Rename gives a viewer another name, which no other one has.
func (s *Site) Rename(idOrName, name string) (Viewer, error) {
	if err := protocol.CheckName(name); err != nil {
		return Viewer{}, err
	}
	var renamed Viewer
	err := s.change(idOrName, func(v *Viewer) error {
		viewers, err := s.Viewers()
		if err != nil {
			return err
		}
		for _, other := range viewers {
			if other.ID != v.ID && (other.Name == name || other.ID == name) {
				return fmt.Errorf("another viewer is called %q already", name)
			}
		}
		v.Name = name
		renamed = *v
		return nil
	})
	return renamed, err
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
