package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

// Viewers of a site trust each other, and nobody else.
func TestPeerTLS(t *testing.T) {
	north, south := newAuthority(t, "north"), newAuthority(t, "south")
	id := open(t, t.TempDir())
	if _, err := id.PeerTLS(now); err == nil {
		t.Error("a configuration before the enrolment")
	}
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
		t.Fatal(err)
	}
	mine, err := id.PeerTLS(now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	for name, test := range map[string]struct {
		shows *x509Shown
		want  string
	}{
		"another viewer":       {&x509Shown{north, "viewer2", x509.ExtKeyUsageClientAuth, soon}, ""},
		"another site's":       {&x509Shown{south, "viewer2", x509.ExtKeyUsageClientAuth, soon}, `isn't a viewer of site "north"`},
		"the site's server":    {&x509Shown{north, "server1", x509.ExtKeyUsageServerAuth, soon}, `isn't a viewer of site "north"`},
		"expired":              {&x509Shown{north, "viewer2", x509.ExtKeyUsageClientAuth, past}, "expired"},
		"itself":               {&x509Shown{north, "viewer1", x509.ExtKeyUsageClientAuth, soon}, "itself, or a copy of it"},
		"nobody in particular": {nil, "certificate"},
	} {
		other := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}, ClientAuth: tls.RequireAnyClientCert}
		if s := test.shows; s != nil {
			der := s.by.issue(s.name, key.Public(), s.usage, time.Now().Add(-time.Hour), s.to)
			other.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
		}
		for _, side := range []string{"server", "client"} {
			if test.shows == nil && side == "client" {
				continue // a server without a certificate can't be
			}
			err := shake(t, mine, other, side == "server")
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, with this viewer as %s: %v, want %q", name, side, err, test.want)
			}
		}
	}
}

// x509Shown is the certificate that the other end shows.
type x509Shown struct {
	by    *authority
	name  string
	usage x509.ExtKeyUsage
	to    time.Time
}

// shake makes a handshake, and gives what mine says of it.
func shake(t *testing.T, mine, other *tls.Config, server bool) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepts, connects := mine, other
	if !server {
		accepts, connects = other, mine
	}
	verdicts := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			verdicts <- err
			return
		}
		defer conn.Close()
		verdicts <- tls.Server(conn, accepts).Handshake()
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	connected := tls.Client(conn, connects).Handshake()
	if accepted := <-verdicts; server {
		return accepted
	}
	return connected
}
