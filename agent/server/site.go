package server

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// Lifetimes of certificates.
const (
	caLife     = 20 * 365 * 24 * time.Hour
	serverLife = 90 * 24 * time.Hour
	viewerLife = 30 * 24 * time.Hour
	// backdate allows for viewers whose clocks are somewhat behind.
	backdate = 24 * time.Hour
)

// Files of a site.
const (
	siteFile       = "site.json"
	caFile         = "ca.pem"
	caKeyFile      = "ca-key.pem"
	publishKeyFile = "publishing-key.pem"
	tokenDir       = "tokens"
	viewerDir      = "viewers"
)

// A Site is the trust domain on disk: its CA, its publishing key, its join tokens and its viewers. It is safe for
// concurrent use, also by several processes: each file is written whole, and what is created never changes.
type Site struct {
	dir     string
	record  siteRecord
	ca      *x509.Certificate
	caKey   crypto.Signer
	publish ed25519.PrivateKey
	// ahead is how far the clock is that certificates are made by: a test has one that is wrong for a while.
	ahead time.Duration

	mu         sync.Mutex
	leaf       *tls.Certificate
	viewerLife time.Duration

	// readMu guards read, the viewers' records by id.
	readMu sync.Mutex
	read   map[string]readRecord
}

// siteRecord is the form of site.json.
type siteRecord struct {
	Name string `json:"name"`
	// Server is the stable id of this server.
	Server  string    `json:"server"`
	Created time.Time `json:"created"`
}

// OpenSite reads the site in dir. If there is none it makes one called name, with new keys, and created is true. An empty
// name takes whatever site is there, or "site" for a new one.
func OpenSite(dir, name string) (s *Site, created bool, err error) {
	if name != "" {
		if err := protocol.CheckSite(name); err != nil {
			return nil, false, err
		}
	}
	for _, sub := range []string{"", tokenDir, viewerDir, pairingDir, releasesDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, false, fmt.Errorf("state folder: %w; give a folder that this user may write to with --state", err)
		}
	}
	s, err = loadSite(dir)
	if errors.Is(err, fs.ErrNotExist) {
		created = true
		s, err = createSite(dir, name)
	}
	if err != nil {
		return nil, false, fmt.Errorf("site in %s: %w", dir, err)
	}
	if name != "" && s.record.Name != name {
		return nil, false, fmt.Errorf("the site in %s is called %q, not %q; use another --state folder for another site", dir, s.record.Name, name)
	}
	s.viewerLife, s.read = viewerLife, map[string]readRecord{}
	return s, created, nil
}

// Name is the site's name.
func (s *Site) Name() string { return s.record.Name }

// ServerID is the stable id of the site's main server.
func (s *Site) ServerID() string { return s.record.Server }

// Pin is the pin of the site's CA.
func (s *Site) Pin() protocol.Pin { return protocol.PinOf(s.ca) }

// createSite makes keys and certificate. The site's own file is written last: without it there is no site yet, and what a
// crash left of an earlier try is replaced.
func createSite(dir, name string) (*Site, error) {
	if name == "" {
		name = "site"
	}
	s := &Site{dir: dir, record: siteRecord{Name: name, Server: newUUID(), Created: time.Now().UTC().Truncate(time.Second)}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	_, publish, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	s.caKey, s.publish = key, publish
	der, err := x509.CreateCertificate(rand.Reader, caTemplate(s.record), caTemplate(s.record), key.Public(), key)
	if err != nil {
		return nil, err
	}
	if s.ca, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return s, s.store(der)
}

func caTemplate(r siteRecord) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{Organization: []string{r.Name}, CommonName: "Vitrine site " + r.Name},
		NotBefore:             r.Created.Add(-backdate),
		NotAfter:              r.Created.Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
}

func (s *Site) store(caDER []byte) error {
	for file, key := range map[string]any{caKeyFile: s.caKey, publishKeyFile: s.publish} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if err := atomicfile.Write(filepath.Join(s.dir, file), block, 0o600); err != nil {
			return err
		}
	}
	if err := atomicfile.Write(filepath.Join(s.dir, caFile), encodeCertificate(caDER), 0o644); err != nil {
		return err
	}
	return atomicfile.WriteJSON(filepath.Join(s.dir, siteFile), s.record, 0o644)
}

func loadSite(dir string) (*Site, error) {
	data, err := os.ReadFile(filepath.Join(dir, siteFile))
	if err != nil {
		return nil, err
	}
	s := &Site{dir: dir}
	if err := json.Unmarshal(data, &s.record); err != nil {
		return nil, fmt.Errorf("%s: %w", siteFile, err)
	}
	caKey, err := loadKey(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, err
	}
	publish, err := loadKey(filepath.Join(dir, publishKeyFile))
	if err != nil {
		return nil, err
	}
	ecKey, ok1 := caKey.(*ecdsa.PrivateKey)
	edKey, ok2 := publish.(ed25519.PrivateKey)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%s must be an ECDSA key and %s an Ed25519 key", caKeyFile, publishKeyFile)
	}
	s.caKey, s.publish = ecKey, edKey
	block, err := loadPEM(filepath.Join(dir, caFile))
	if err != nil {
		return nil, err
	}
	s.ca, err = x509.ParseCertificate(block)
	return s, err
}

func loadKey(path string) (any, error) {
	der, err := loadPEM(path)
	if err != nil {
		return nil, err
	}
	return x509.ParsePKCS8PrivateKey(der)
}

// loadPEM reads a file of a site that exists: a missing one is damage, not a site to be made.
func loadPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the site is damaged: %v; restore the folder from a backup", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s is not a PEM file; restore it from a backup", path)
	}
	return block.Bytes, nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Certificate is the server's own certificate, for tls.Config.GetCertificate; it is renewed at two thirds of its life, and if it was made by a clock that
// was ahead: viewers that know the time would wait for that day.
func (s *Site) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Add(s.ahead)
	if s.leaf != nil && s.leaf.Leaf.NotAfter.Sub(now) > serverLife/3 && now.After(s.leaf.Leaf.NotBefore) {
		return s.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := s.issue(s.record.Server, key.Public(), serverLife, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	s.leaf = &tls.Certificate{Certificate: [][]byte{der, s.ca.Raw}, PrivateKey: key, Leaf: leaf}
	return s.leaf, nil
}

// issue signs a certificate for name, with one purpose. The name goes into a URI and a DNS name too, since many programs
// no longer look at the common name.
func (s *Site) issue(name string, public crypto.PublicKey, life time.Duration, usage x509.ExtKeyUsage) ([]byte, error) {
	return s.issueFor([]string{name}, nil, name, public, life, usage)
}

// issueFor does it with other names, and addresses.
func (s *Site) issueFor(names []string, addresses []net.IP, name string, public crypto.PublicKey, life time.Duration, usage x509.ExtKeyUsage) ([]byte, error) {
	now := time.Now().Add(s.ahead)
	template := &x509.Certificate{
		Subject:     pkix.Name{Organization: []string{s.record.Name}, CommonName: name},
		NotBefore:   now.Add(-backdate),
		NotAfter:    now.Add(life),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
		DNSNames:    names,
		IPAddresses: addresses,
	}
	return x509.CreateCertificate(rand.Reader, template, s.ca, public, s.caKey)
}

// TLSConfig is the server side of port 7237: TLS 1.3 only. A client may come without a certificate, to enrol; one that it
// shows must be of the site's CA. It may have expired, or not be good yet, since the server's clock was ahead when it was made: such a client can have it
// renewed, and nothing else.
func (s *Site) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		GetCertificate:   s.Certificate,
		ClientAuth:       tls.RequestClientCert,
		VerifyConnection: s.verifyClient,
		NextProtos:       []string{protocol.ALPNMQTT, "h2", "http/1.1"},
	}
}

// verifyClient is what tls.VerifyClientCertIfGiven does, but for the dates.
func (s *Site) verifyClient(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil
	}
	leaf, now := state.PeerCertificates[0], time.Now()
	switch {
	case now.After(leaf.NotAfter):
		now = leaf.NotAfter
	case now.Before(leaf.NotBefore):
		now = leaf.NotBefore
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.ca)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// untimely says why a certificate is not good for a session or content now.
func untimely(cert *x509.Certificate) error {
	now := time.Now()
	if now.Before(cert.NotBefore) {
		return fmt.Errorf("this viewer's certificate is good from %s on, since this server's clock was ahead when it was made; it must be renewed first", cert.NotBefore.Format(time.DateOnly))
	}
	if now.After(cert.NotAfter) {
		return fmt.Errorf("this viewer's certificate expired on %s; it must be renewed first", cert.NotAfter.Format(time.DateOnly))
	}
	return nil
}

// SiteExists tells whether there is a site in dir.
func SiteExists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, siteFile))
	return err == nil
}
