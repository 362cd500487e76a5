package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine/agent/protocol"
)

// A TrustError says why a server is not believed. Its text is for a technician.
type TrustError struct {
	// Site is what the server's certificate says it belongs to; empty if it doesn't say.
	Site   string
	Reason string
	// Untimely is true if the certificate has expired, but the clock that says so may be ahead.
	Untimely bool
}

func (e *TrustError) Error() string { return e.Reason }

// A Time says what time it is for judging certificates. atLeast is true while it may be later, as after a boot
// without a battery: a certificate that isn't valid yet at that time is then taken, for whoever signed it knew that the time is later, and without
// a connection the viewer would never learn it.
type Time func() (now time.Time, atLeast bool)

// ClientTLS is the configuration for connections to the site's servers: TLS 1.3 only, with this viewer's certificate, and
// believing the site's CA alone. Certificates are judged at the time that clock gives. The protocols are for ALPN (RFC
// 7301). It fails before the viewer is enrolled.
//
// The server's name is not checked, since viewers connect to addresses that discovery finds: that the site's CA has made
// the certificate for a server (extended key usage "server") is what makes it one.
func (id *Identity) ClientTLS(clock Time, protocols ...string) (*tls.Config, error) {
	e, ok := id.Enrolment()
	if !ok {
		return nil, errors.New("this viewer is not enrolled yet")
	}
	c := serverTLS(protocols, func(certs []*x509.Certificate) error {
		return checkServer(certs, e.roots, e.Site, clock)
	})
	c.Certificates = []tls.Certificate{{Certificate: e.chain, PrivateKey: e.key, Leaf: e.certificate}}
	return c, nil
}

// PeerTLS is the configuration for connections between viewers of the site, for both ends: TLS 1.3 only, each shows its viewer's
// certificate (extended key usage "client"), and believes the site's CA alone, at the time that clock gives. It fails before the viewer is
// enrolled.
func (id *Identity) PeerTLS(clock Time) (*tls.Config, error) {
	e, ok := id.Enrolment()
	if !ok {
		return nil, errors.New("this viewer is not enrolled yet")
	}
	c := serverTLS([]string{"http/1.1"}, func(certs []*x509.Certificate) error {
		return checkPeer(certs, e.roots, e.Site, e.Viewer, clock)
	})
	c.ClientAuth = tls.RequireAnyClientCert
	c.Certificates = []tls.Certificate{{Certificate: e.chain, PrivateKey: e.key, Leaf: e.certificate}}
	return c, nil
}

// checkPeer verifies another viewer's chain.
func checkPeer(certs []*x509.Certificate, roots *x509.CertPool, site, self string, clock Time) error {
	leaf := certs[0]
	now, atLeast := clock()
	if atLeast && now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return &TrustError{Site: siteOf(leaf), Reason: fmt.Sprintf("what is there isn't a viewer of site %q: %v", site, err)}
	}
	if leaf.Subject.CommonName == self {
		return &TrustError{Site: site, Reason: "the other end is this viewer itself, or a copy of it"}
	}
	return nil
}

// pinnedTLS is the configuration before enrolment: the chain must end in the CA that the join token names.
func pinnedTLS(pin protocol.Pin, clock Time) *tls.Config {
	return serverTLS([]string{"http/1.1"}, func(certs []*x509.Certificate) error {
		for _, cert := range certs[1:] {
			if cert.IsCA && protocol.PinOf(cert) == pin {
				roots := x509.NewCertPool()
				roots.AddCert(cert)
				return checkServer(certs, roots, siteOf(cert), clock)
			}
		}
		if resigned(certs[0]) {
			return &TrustError{Reason: inspected(certs[0])}
		}
		return &TrustError{
			Site:   siteOf(certs[0]),
			Reason: fmt.Sprintf("the server belongs to site %q, whose CA is not the one in the join token; use a token of this site", siteOf(certs[0])),
		}
	})
}

// serverTLS has what every connection shares. The standard verification, which is by host name, is replaced by check.
func serverTLS(protocols []string, check func([]*x509.Certificate) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         protocols,
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return check(state.PeerCertificates)
		},
	}
}

// checkServer verifies a server's chain, and explains what is wrong with it.
func checkServer(certs []*x509.Certificate, roots *x509.CertPool, site string, clock Time) error {
	leaf := certs[0]
	now, atLeast := clock()
	if atLeast && now.Before(leaf.NotBefore) {
		now = leaf.NotBefore
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:       roots,
		CurrentTime: now,
		KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err == nil {
		return nil
	}
	other := siteOf(leaf)
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	reason := fmt.Sprintf("the server's certificate is not valid: %v", err)
	switch {
	case errors.As(err, &unknown) && resigned(leaf):
		return &TrustError{Reason: inspected(leaf)}
	case errors.As(err, &unknown) && other != site:
		reason = fmt.Sprintf("certificate is for site %q, this viewer belongs to %q; enrol it again with a token of that site, or give it a server of its own", other, site)
	case errors.As(err, &unknown):
		reason = fmt.Sprintf("certificate is for a site that is also called %q but has another CA; if the server was set up anew, enrol this viewer again", site)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		reason = fmt.Sprintf("the server's certificate is valid from %s to %s, and this viewer's clock says %s",
			leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly), now.Format(time.DateTime))
		if atLeast {
			reason += " or later"
		}
		return &TrustError{Site: other, Reason: reason, Untimely: atLeast}
	}
	return &TrustError{Site: other, Reason: reason}
}

// resigned tells whether a certificate that isn't believed can't be any site's: the CA of a site is called after it, as
// everything is that the CA signs. What opens TLS connections on the way, to look into them, keeps at most the name of what it
// imitates.
func resigned(leaf *x509.Certificate) bool {
	site := siteOf(leaf)
	return site == "" || !slices.Contains(leaf.Issuer.Organization, site)
}

// inspected says what to do about such a certificate.
func inspected(leaf *x509.Certificate) string {
	by := leaf.Issuer.CommonName
	if by == "" {
		by = strings.Join(leaf.Issuer.Organization, ", ")
	}
	return fmt.Sprintf("the connection is opened by something on the way, or leads to no server of a Vitrine site (certificate of %.80q); "+
		"have this server exempted from TLS inspection on the proxy or firewall, or correct its address", by)
}

// siteOf is the site that a certificate names: its organisation.
func siteOf(cert *x509.Certificate) string {
	if len(cert.Subject.Organization) == 0 {
		return ""
	}
	return cert.Subject.Organization[0]
}
