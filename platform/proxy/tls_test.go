package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/platform/proxy"
)

// overTLS puts a proxy behind TLS, with a certificate for 127.0.0.1 of an authority of its own, which it gives as a file.
func overTLS(t *testing.T, serve func(net.Conn)) (addr, authority string) {
	t.Helper()
	borrowed := httptest.NewTLSServer(nil) // for its certificate
	defer borrowed.Close()
	config := &tls.Config{Certificates: borrowed.TLS.Certificates}
	addr = listen(t, func(conn net.Conn) { serve(tls.Server(conn, config)) })
	authority = filepath.Join(t.TempDir(), "proxy-ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: borrowed.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return addr, authority
}

func roots(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	pool, err := proxy.ReadRoots([]string{file}, "")
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

func TestTunnelThroughTLS(t *testing.T) {
	for name, c := range map[string]struct {
		now  func() (time.Time, bool)
		want string
	}{
		"right clock":             {nil, ""},
		"clock known to be wrong": {func() (time.Time, bool) { return time.Unix(-1, 0), true }, ""},
		"clock wrong":             {func() (time.Time, bool) { return time.Unix(-1, 0).UTC(), false }, "this machine's clock says 1969-12-31"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, authority := overTLS(t, answering("HTTP/1.1 200 OK\r\n\r\nhello"))
			conn, err := dial(t.Context(), t, proxy.Config{Proxy: "https://a:b@" + addr, Roots: roots(t, authority), Now: c.now})
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q in it", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			said := make([]byte, 5)
			if _, err := io.ReadFull(conn, said); err != nil || string(said) != "hello" {
				t.Errorf("through the tunnel came %q, %v", said, err)
			}
		})
	}
}

// The password must not be given to somebody who is not the proxy.
func TestProxyMustProveItself(t *testing.T) {
	told := func(conn net.Conn) {
		if heard, _ := io.ReadAll(conn); len(heard) > 0 {
			t.Errorf("it was told %q", heard)
		}
	}
	unknown, _ := overTLS(t, told)
	_, err := dial(t.Context(), t, proxy.Config{Proxy: "https://a:b@" + unknown})
	if err == nil || !strings.Contains(err.Error(), "which this machine does not believe: put that authority's certificate into a file of ca_files") {
		t.Errorf("an unknown authority: %v", err)
	}
	other, authority := overTLS(t, told)
	_, port, _ := net.SplitHostPort(other)
	_, err = dial(t.Context(), t, proxy.Config{Proxy: "https://a:b@localhost:" + port, Roots: roots(t, authority)})
	if err == nil || !strings.Contains(err.Error(), "a certificate that is not for the name localhost") {
		t.Errorf("another name: %v", err)
	}
	plain := listen(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	})
	_, err = dial(t.Context(), t, proxy.Config{Proxy: "https://a:b@" + plain})
	if err == nil || !strings.Contains(err.Error(), "does not speak TLS: write http:// in front") {
		t.Errorf("no TLS: %v", err)
	}
}
