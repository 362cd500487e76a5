// Package identity keeps who this viewer is: its key, its certificate, and whom it believes.
//
// It owns the identity folder and the enrolment request that fills it, and makes the TLS configuration by which viewer
// and server prove themselves to each other. The private key never leaves this package, and nothing of it is ever
// printed. It doesn't choose servers and keeps no connection.
package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"vitrine/agent/protocol"
	"vitrine/platform/atomicfile"
)

// Files of the identity. The key of a renewed certificate has a name of its own, so that the enrolment, which is replaced as
// a whole, always has its key beside it.
const (
	keyFile       = "key.pem"
	renewedKeys   = "key-*.pem"
	enrolmentFile = "enrolment.json"
)

// An Enrolment is what a site gave the viewer when it took it in.
type Enrolment struct {
	// Viewer is the id that the site knows this viewer by.
	Viewer string
	Name   string
	Site   string
	// Servers are the site's servers as they were then.
	Servers []protocol.Server
	// PublishingKey checks manifests.
	PublishingKey ed25519.PublicKey
	// Token is the id of the join token that it was had for.
	Token string

	key         crypto.Signer
	certificate *x509.Certificate
	chain       [][]byte
	roots       *x509.CertPool
}

// An Identity is the viewer's own. It is safe for concurrent use.
type Identity struct {
	// Dial makes TCP connections to servers; nil makes them directly. It is set before the first use or not at all.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	dir string
	log *slog.Logger
	// key is the viewer's first, for its enrolment.
	key crypto.Signer

	// pairing is this viewer's request to be taken in; nil while there is none.
	pairing *pairing

	mu        sync.Mutex
	enrolment *Enrolment
}

// Open reads the identity in dir, which it makes if need be, with a new key if there is none yet. What is damaged is set
// aside, with a word in the log: a viewer must play what it has, also if it has to be enrolled again. log may be nil.
func Open(dir string, log *slog.Logger) (*Identity, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	id := &Identity{dir: dir, log: log}
	var err error
	if id.key, err = id.openKey(log); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if id.enrolment, err = id.load(log); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	return id, nil
}

// setAside takes a damaged file away from its name. The error is that of renaming, but for a disk that takes no writes.
func (id *Identity) setAside(file string, reason error, log *slog.Logger) error {
	log.Error("The viewer's identity is damaged and is set aside; enrol this viewer again", "file", filepath.Join(id.dir, file), "err", reason)
	path := filepath.Join(id.dir, file)
	if err := os.Rename(path, path+".damaged"); !atomicfile.IsDiskFault(err) {
		return err
	}
	return nil
}

// openKey reads the private key, or makes one.
func (id *Identity) openKey(log *slog.Logger) (crypto.Signer, error) {
	path := filepath.Join(id.dir, keyFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path)
	}
	if err != nil {
		return nil, err
	}
	key, err := parseKey(data)
	if err == nil {
		return key, nil
	}
	if err := id.setAside(keyFile, err, log); err != nil {
		return nil, err
	}
	fresh, err := newKey(path)
	if atomicfile.IsDiskFault(err) {
		return fresh, nil // it serves until the next start
	}
	return fresh, err
}

func parseKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the key is not in PEM form")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key is not an ECDSA key")
	}
	return signer, nil
}

func newKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return key, writeKey(path, key)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// Enrolment is what the site gave; ok is false before the viewer is enrolled.
func (id *Identity) Enrolment() (e Enrolment, ok bool) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.enrolment == nil {
		return Enrolment{}, false
	}
	return *id.enrolment, true
}

// record is the form of the enrolment on disk: the site's answer, and what it was had for.
type record struct {
	protocol.EnrollResponse
	Token string `json:"token,omitempty"`
}

// load reads the enrolment from disk; nil if there is none, or none that is of use.
func (id *Identity) load(log *slog.Logger) (*Enrolment, error) {
	data, err := os.ReadFile(filepath.Join(id.dir, enrolmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, id.setAside(enrolmentFile, err, log)
	}
	e, err := check(r, id.keys())
	if err != nil {
		return nil, id.setAside(enrolmentFile, err, log)
	}
	id.forgetKeys(e.key)
	return e, nil
}

// Look reads what the viewer with this identity folder was given. It changes nothing there, and may be asked beside a viewer that runs.
func Look(dir string) (e Enrolment, ok bool, err error) {
	data, err := os.ReadFile(filepath.Join(dir, enrolmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Enrolment{}, false, nil
	}
	if err != nil {
		return Enrolment{}, false, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return Enrolment{}, false, fmt.Errorf("%s: %w", enrolmentFile, err)
	}
	block, _ := pem.Decode([]byte(r.Certificate))
	if block == nil {
		return Enrolment{}, false, fmt.Errorf("%s: there is no certificate in it", enrolmentFile)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	return Enrolment{Viewer: r.Viewer, Name: r.Name, Site: r.Site, Servers: r.Servers, certificate: certificate}, err == nil, err
}

// SiteOf is the site to which the viewer with this identity folder belongs. It changes nothing there, and may be asked beside a viewer that
// runs.
func SiteOf(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, enrolmentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("this viewer is not enrolled yet")
	}
	if err != nil {
		return "", err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return "", fmt.Errorf("%s: %w", enrolmentFile, err)
	}
	return r.Site, nil
}

// keys are those that the enrolment may be for.
func (id *Identity) keys() []crypto.Signer {
	list := []crypto.Signer{id.key}
	files, _ := filepath.Glob(filepath.Join(id.dir, renewedKeys)) // the pattern is a good one
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if key, err := parseKey(data); err == nil {
			list = append(list, key)
		}
	}
	return list
}

// renewedKey is the name of the file of a renewed certificate's key.
func renewedKey(key crypto.Signer) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return fmt.Sprintf("key-%x.pem", sum[:8]), nil
}

// forgetKeys removes the renewed keys but one: those of certificates that were replaced, or never came.
func (id *Identity) forgetKeys(but crypto.Signer) {
	keep, err := renewedKey(but)
	if err != nil {
		return
	}
	files, _ := filepath.Glob(filepath.Join(id.dir, renewedKeys))
	for _, file := range files {
		if filepath.Base(file) == keep {
			continue
		}
		if err := os.Remove(file); err != nil {
			id.log.Debug("An old key can't be removed", "file", file, "err", err)
		}
	}
}

// save makes an enrolment for that key durable and then valid.
func (id *Identity) save(r record, key crypto.Signer) error {
	e, err := check(r, []crypto.Signer{key})
	if err != nil {
		return fmt.Errorf("the server's answer to the enrolment: %w", err)
	}
	if err := atomicfile.WriteJSON(filepath.Join(id.dir, enrolmentFile), r, 0o600); err != nil {
		return err
	}
	id.mu.Lock()
	id.enrolment = e
	id.mu.Unlock()
	id.forgetKeys(key)
	return nil
}

// check turns the answer of a site into an Enrolment: the certificate must be for one of our keys and that viewer, and of that
// CA. Its dates are not checked here: the clock may be wrong, and the server judges them at every connection.
func check(r record, keys []crypto.Signer) (*Enrolment, error) {
	cert, err := parseCertificate("certificate", r.Certificate)
	if err != nil {
		return nil, err
	}
	ca, err := parseCertificate("CA certificate", r.CA)
	if err != nil {
		return nil, err
	}
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	at := slices.IndexFunc(keys, func(k crypto.Signer) bool { return ok && public.Equal(k.Public()) })
	if at < 0 {
		return nil, errors.New("the certificate is for another key than this viewer's")
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		return nil, fmt.Errorf("the certificate is not of the CA beside it: %w", err)
	}
	if r.Viewer == "" || cert.Subject.CommonName != r.Viewer {
		return nil, fmt.Errorf("the certificate is for %q, not for viewer %q", cert.Subject.CommonName, r.Viewer)
	}
	key, err := base64.RawURLEncoding.DecodeString(r.PublishingKey)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("the publishing key is not the base64url of 32 bytes")
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return &Enrolment{
		Viewer: r.Viewer, Name: r.Name, Site: r.Site, Servers: r.Servers, PublishingKey: key, Token: r.Token,
		key: keys[at], certificate: cert, chain: [][]byte{cert.Raw, ca.Raw}, roots: roots,
	}, nil
}

func parseCertificate(what, text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("the %s is not in PEM form", what)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the %s can't be read: %w", what, err)
	}
	return cert, nil
}
