package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// An authority is the site's CA. Its certificates name the site as the organisation, and their owner as the common name.
type authority struct {
	site string
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// serverLife is that of the certificates of servers and of the back end. The service makes them anew if their files are removed.
const serverLife = 365 * 24 * time.Hour

// openAuthority reads the CA from ca.pem and ca-key.pem, which are made if they aren't there.
func openAuthority(dir, site string) (*authority, error) {
	a := &authority{site: site, dir: dir}
	template := a.template(site+" CA", 20*serverLife)
	template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	if err := a.writeOnce("ca", template); err != nil {
		return nil, err
	}
	der, err := readPEM(a.path("ca"))
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if der, err = readPEM(a.path("ca-key")); err != nil {
		return nil, err
	}
	a.key, err = x509.ParseECPrivateKey(der)
	return a, err
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

// template has what all certificates share.
func (a *authority) template(name string, life time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{a.site}, CommonName: name},
		NotBefore:             now.Add(-time.Hour).Add(min(life, 0)),
		NotAfter:              now.Add(life),
		BasicConstraintsValid: true,
	}
}

// issue signs a certificate; before there is a CA, it is signed by its own key.
func (a *authority) issue(template *x509.Certificate, public crypto.PublicKey, own crypto.Signer) ([]byte, error) {
	parent, key := a.cert, a.key
	if parent == nil {
		parent, key = template, own
	}
	return x509.CreateCertificate(rand.Reader, template, parent, public, key)
}

// writeOnce makes a key and its certificate, unless they are there. Viewers want the whole chain, the CA itself included: before they are
// enrolled they know only the hash of its key, from the join token.
func (a *authority) writeOnce(name string, template *x509.Certificate) error {
	if _, err := os.Stat(a.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := a.issue(template, key.Public(), key)
	if err != nil {
		return err
	}
	chain := toPEM("CERTIFICATE", der)
	if a.cert != nil {
		chain += toPEM("CERTIFICATE", a.cert.Raw)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.path(name+"-key"), []byte(toPEM("EC PRIVATE KEY", secret)), 0o600); err != nil {
		return err
	}
	return os.WriteFile(a.path(name), []byte(chain), 0o644)
}

// serverTemplate is for brokers and web servers. Viewers don't check the hosts in it; other clients do.
func (a *authority) serverTemplate(hosts []string) *x509.Certificate {
	template := a.template("server", serverLife)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// client is for a viewer or the back end: name is the user's, and id the client id, to which RabbitMQ holds it.
func (a *authority) client(name, id string, life time.Duration) *x509.Certificate {
	template := a.template(name, life)
	template.ExtKeyUsage, template.DNSNames = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, []string{id}
	return template
}

// shown reads the client's certificate as nginx passes it on. It may have expired, but no longer ago than grace.
func (a *authority) shown(text string, grace time.Duration) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("a viewer shows its certificate when it asks for another")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	if time.Now().After(cert.NotAfter.Add(grace)) {
		return nil, fmt.Errorf("the certificate expired on %s, longer ago than this site allows; enrol this viewer again", cert.NotAfter.Format(time.DateOnly))
	}
	at := cert.NotAfter
	if now := time.Now(); now.Before(at) {
		at = now
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return cert, err
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: it has no PEM block", path)
	}
	return block.Bytes, nil
}
