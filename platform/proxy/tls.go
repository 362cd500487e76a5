package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// secure speaks TLS with a proxy (RFC 9112, section 9.7), whose certificate must be for its name in the settings.
func (d *Dialer) secure(conn net.Conn) (net.Conn, error) {
	secured := tls.Client(conn, &tls.Config{
		ServerName: d.server.host,
		NextProtos: []string{"http/1.1"},
		MinVersion: tls.VersionTLS12,
		// The standard verification is done below, at a time that may only be known to be too early.
		InsecureSkipVerify: true,
		VerifyConnection:   func(s tls.ConnectionState) error { return d.verify(s.PeerCertificates) },
	})
	err := secured.Handshake()
	if err == nil {
		return secured, nil
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return nil, &refusal{reason: "does not speak TLS", advice: "write http:// in front of its address", err: err}
	}
	if isTimeout(err) {
		return nil, &refusal{reason: "does not answer in TLS", advice: "if it is not to be spoken to over TLS, write http:// in front of its address", err: err}
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return nil, r
	}
	return nil, &refusal{reason: fmt.Sprintf("can't be spoken to over TLS (%v)", err), advice: "check its address and port", err: err}
}

// verify checks the proxy's certificate.
func (d *Dialer) verify(certs []*x509.Certificate) error {
	leaf := certs[0]
	now, atLeast := d.now()
	if atLeast && now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: d.roots, Intermediates: between, DNSName: d.server.host, CurrentTime: now})
	if err == nil {
		return nil
	}
	r := &refusal{reason: fmt.Sprintf("shows a certificate that is not valid (%v)", err), advice: "have it renewed", err: err}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		r.reason = fmt.Sprintf("shows a certificate of %s, which this machine does not believe", quoteName(leaf.Issuer.CommonName, leaf.Issuer.Organization))
		r.advice = "put that authority's certificate into a file of ca_files"
	case errors.As(err, &name):
		r.reason = fmt.Sprintf("shows a certificate that is not for the name %s", d.server.host)
		r.advice = "use the name or address that its certificate is for"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		r.reason = fmt.Sprintf("shows a certificate that is valid from %s to %s, and this machine's clock says %s",
			leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly), now.Format(time.DateTime))
		if atLeast {
			r.reason += " or later"
		}
	}
	return r
}

// quoteName is what a certificate calls somebody, bounded.
func quoteName(common string, organization []string) string {
	if common == "" && len(organization) > 0 {
		common = organization[0]
	}
	if common == "" {
		return "an unnamed authority"
	}
	return fmt.Sprintf("%.80q", common)
}
