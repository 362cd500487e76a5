// Package identity keeps who this viewer is: its key, its certificate, and whom it believes.
//
// It owns the identity folder and the enrolment request that fills it, and makes the TLS configuration by which viewer
// and server prove themselves to each other. The private key never leaves this package, and nothing of it is ever
// printed. It doesn't choose servers and keeps no connection.
package identity

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
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

	// pairing is this viewer's request to be taken in; nil while there is none.
	pairing *pairing

	// reading is held while files are read, and mu for what they say: whoever asks for that doesn't wait for a disk that is failing.
	reading sync.Mutex
	mu      sync.Mutex
	kept
}

// kept is what is on disk.
type kept struct {
	// key is the viewer's first, for its enrolment; nil while it can't be read.
	key       crypto.Signer
	enrolment *Enrolment
	// unread says what can't be read, and unkept why the key is in memory alone.
	unread, unkept error
}

// Open reads the identity in dir, which it makes if need be, with a new key if there is none yet. What is damaged is set
// aside, with a word in the log: a viewer must play what it has, also if it has to be enrolled again. What can't be read is left alone, since
// it may be the next time, and until then the viewer can't be enrolled. The identity can be used in any case; the error says what of it can't be read or
// kept. log may be nil.
func Open(dir string, log *slog.Logger) (*Identity, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	id := &Identity{dir: dir, log: log}
	err := os.MkdirAll(dir, 0o700)
	id.kept = id.read()
	if err = cmp.Or(err, id.unread, id.unkept); err != nil {
		err = fmt.Errorf("the viewer's identity: %w", err)
	}
	return id, err
}

// Again reads once more what couldn't be read.
func (id *Identity) Again() {
	id.reading.Lock()
	defer id.reading.Unlock()
	if id.Unread() == nil {
		return
	}
	k := id.read()
	id.mu.Lock()
	defer id.mu.Unlock()
	id.kept = k
}

// Unread is why nobody knows whether this viewer is enrolled; nil if that is known.
func (id *Identity) Unread() error {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.enrolment != nil {
		return nil
	}
	return id.unread
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
