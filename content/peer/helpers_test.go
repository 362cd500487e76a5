package peer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/library"
	"vitrine/content/peer"
	"vitrine/content/store"
)

// An authority makes certificates for viewers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.cert, a.key = issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "site"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	a.pool.AddCert(a.cert)
	return a
}

func issue(t *testing.T, template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// config is for both ends of connections between viewers.
func (a *authority) config(t *testing.T, name string) *tls.Config {
	t.Helper()
	cert, key := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, a)
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true,
		ClientAuth:         tls.RequireAnyClientCert,
		Certificates:       []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: a.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			return err
		},
	}
}

// A viewer is an exchange with a store.
type viewer struct {
	*peer.Exchange
	t       *testing.T
	name    string
	store   *store.Store
	fetcher *fetch.Fetcher
	stop    func()
}

// newViewer runs one. change may be nil.
func newViewer(t *testing.T, a *authority, name string, change func(*peer.Config)) *viewer {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	v := &viewer{t: t, name: name, store: s}
	both := a.config(t, name)
	config := func() (*tls.Config, error) { return both, nil }
	c := peer.Config{Self: func() string { return name }, Open: s.Open, Server: config, Client: config}
	if change != nil {
		change(&c)
	}
	v.Exchange = peer.New(c)
	v.fetcher = fetch.New(fetch.Config{Transport: v.Transport(), Stall: 2 * time.Second, RetryWait: time.Millisecond, Retries: 1})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	<-v.Ready()
	v.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil // stop may be called again
	}
	t.Cleanup(func() {
		v.stop()
		s.Close()
	})
	return v
}

// addr is where it listens.
func (v *viewer) peer() peer.Peer {
	return peer.Peer{Name: v.name, Addrs: []string{fmt.Sprintf("127.0.0.1:%d", v.Port())}}
}

// meet makes all viewers know each other.
func meet(viewers ...*viewer) {
	var peers []peer.Peer
	for _, v := range viewers {
		peers = append(peers, v.peer())
	}
	for _, v := range viewers {
		v.Set(peers)
	}
}

// put stores something.
func (v *viewer) put(content string) digest.Digest {
	v.t.Helper()
	d := digest.Of([]byte(content))
	if err := v.store.Put(d, int64(len(content)), newReader(content)); err != nil {
		v.t.Fatal(err)
	}
	return d
}

// share begins a common fetch.
func (v *viewer) share(ds ...digest.Digest) library.Share {
	return v.Share(v.t.Context(), ds, func(digest.Digest) {})
}

// get asks for something as a fetch does, and gives the status and what came.
func (v *viewer) get(url string, head ...string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	resp, err := v.Transport().RoundTrip(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return resp, string(body)
}

// contextOf is one that can be ended.
func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}
