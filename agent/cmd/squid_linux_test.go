package cmd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitrine/agent"
)

// squidConf is a proxy that asks for a password: on port 3129 over TLS, and on 3128 one that looks into what goes through it, by
// certificates that it makes up. The first %s is the folder of its files.
const squidConf = `https_port 3129 tls-cert=%[1]s/proxy.pem tls-key=%[1]s/proxy.pem
http_port 3128 ssl-bump tls-cert=%[1]s/ca.pem tls-key=%[1]s/ca.pem generate-host-certificates=on
sslcrtd_program /usr/lib/squid/security_file_certgen -s %[1]s/made -M 4MB
sslcrtd_children 1
acl inspected localport 3128
acl first at_step SslBump1
ssl_bump peek inspected first
ssl_bump bump inspected
ssl_bump splice all
sslproxy_cert_error allow all
tls_outgoing_options flags=DONT_VERIFY_PEER
auth_param basic program /usr/lib/squid/basic_ncsa_auth %[1]s/passwords
auth_param basic children 1
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
access_log none
cache_log %[1]s/cache.log
pid_filename none
netdb_filename none
pinger_enable off
coredump_dir %[1]s
visible_hostname gate
shutdown_lifetime 0 seconds
cache_effective_user proxy
`

// The password of user lobby at squid, as it is in its URL and in squid's file of passwords. It has what a URL must hide.
const (
	squidPassword = "p%40ss%3Aw%2Frd%25"
	squidHash     = "$1$vitrine1$5bF2xibGHMCFkFOgTKLz/0"
)

// squid runs the proxy on a host at that address, and gives the file with its authority.
func (h host) squid(address string) (authority string) {
	h.t.Helper()
	needProgram(h.t, "squid", "squid-openssl")
	dir := shortDir(h.t)
	corporateCertificates(h.t, dir, net.ParseIP(address))
	for name, text := range map[string]string{"squid.conf": fmt.Sprintf(squidConf, dir), "passwords": "lobby:" + squidHash + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	command(h.t, "/usr/lib/squid/security_file_certgen", "-c", "-s", filepath.Join(dir, "made"), "-M", "4MB")
	command(h.t, "chown", "-R", "proxy", dir)
	p := h.peer("squid", "-N", "-d", "1", "-f", filepath.Join(dir, "squid.conf"))
	awaitLine(h.t, p, "Accepting", "3129")
	awaitLine(h.t, p, "Accepting", "3128")
	discard(p)
	return filepath.Join(dir, "authority.pem")
}

// corporateCertificates makes, in a folder, an authority (authority.pem, and with its key ca.pem) and its certificate for a proxy
// at that address (proxy.pem, with its key).
func corporateCertificates(t testing.TB, dir string, address net.IP) {
	t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Corp Proxy CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "proxy"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{address},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	for i, template := range []*x509.Certificate{ca, leaf} {
		der, err := x509.CreateCertificate(rand.Reader, template, ca, keys[i].Public(), keys[0])
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(keys[i])
		if err != nil {
			t.Fatal(err)
		}
		cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		files := map[string][]byte{[]string{"ca.pem", "proxy.pem"}[i]: append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), cert...)}
		if template == ca {
			files["authority.pem"] = cert
		}
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A proxy of a company speaks TLS, by a CA of the company's own, and looks into TLS connections.
func TestCorporateProxy(t *testing.T) {
	l, s, _ := walled(t)
	token := s.token(t)
	authority := l.host("r").squid("10.77.0.254")
	const login = "lobby:" + squidPassword + "@10.77.0.254"
	for name, c := range map[string]struct {
		settings string
		want     []string
	}{
		"over TLS": {"proxy = \"https://" + login + ":3129\"\nca_files = [\"" + authority + "\"]\n", nil},
		"unknown authority": {"proxy = \"https://" + login + ":3129\"\n",
			[]string{`proxy 10.77.0.254:3129 shows a certificate of "Corp Proxy CA", which this machine does not believe`, "ca_files"}},
		"wrong password": {"proxy = \"https://lobby:SECRET@10.77.0.254:3129\"\nca_files = [\"" + authority + "\"]\n", []string{"does not take this user name and password (407"}},
		// Also if the authority is believed elsewhere: the site's servers are told by the site's CA alone.
		"inspected": {"proxy = \"http://" + login + ":3128\"\nca_files = [\"" + authority + "\"]\n", []string{`(certificate of "Corp Proxy CA")`, "exempted from TLS inspection"}},
	} {
		t.Run(name, func(t *testing.T) {
			desk := l.host("a")
			desk.t = t
			viewer, _ := desk.view(token, "servers = [\"10.78.0.1\"]\n[network]\n"+c.settings)
			if c.want == nil {
				desk.await("playing through the proxy", func(s agent.Status) bool {
					return connected(s) && playing(s) && s.Session.Proxy == "10.77.0.254:3129"
				})
			} else {
				desk.failing(c.want...)
			}
			viewer.mustNotSay("SECRET", squidPassword, "p@ss:w/rd%")
		})
	}
}
