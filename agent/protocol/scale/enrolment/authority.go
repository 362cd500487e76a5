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
	cert *x509.Certificate
	key  crypto.Signer
}

// openAuthority reads the CA from ca.pem and ca-key.pem, which are made if they aren't there.
func openAuthority(dir, site string) (*authority, error) {
	a := &authority{site: site}
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")
	if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
		template := a.template(site+" CA", 20*365*24*time.Hour)
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		if err := a.writePair(certFile, keyFile, template); err != nil {
			return nil, err
		}
	}
	der, err := readPEM(certFile)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("%s: %w", certFile, err)
	}
	if der, err = readPEM(keyFile); err != nil {
		return nil, err
	}
	a.key, err = x509.ParseECPrivateKey(der)
	return a, err
}

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

// writePair makes a key and its certificate. Viewers want the whole chain, the CA itself included: before they are enrolled they know
// only the hash of its key, from the join token.
func (a *authority) writePair(certFile, keyFile string, template *x509.Certificate) error {
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
	if err := os.WriteFile(keyFile, []byte(toPEM("EC PRIVATE KEY", secret)), 0o600); err != nil {
		return err
	}
	return os.WriteFile(certFile, []byte(chain), 0o644)
}

// writeServer makes the certificate of brokers and web servers, anew with each start. Viewers don't check the hosts in it; other clients do.
func (a *authority) writeServer(dir string, hosts []string) error {
	template := a.template("server", 365*24*time.Hour)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.writePair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem"), template)
}

// client is a certificate for a viewer or for the back end. The name is also its alternative name, to which RabbitMQ holds the client id.
func (a *authority) client(name string, life time.Duration) *x509.Certificate {
	template := a.template(name, life)
	template.ExtKeyUsage, template.DNSNames = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, []string{name}
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
