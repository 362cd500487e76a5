package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitrine/platform/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is where every tunnel leads: what stands behind the proxies of these tests is the tests themselves.
const target = "192.0.2.5:7237"

// listen runs a proxy for one connection on a free port.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

// dial goes to the target through a proxy.
func dial(ctx context.Context, t *testing.T, c proxy.Config) (net.Conn, error) {
	t.Helper()
	d, err := proxy.New(c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := d.DialContext(ctx, "tcp", target)
	if conn != nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, err
}

// answering is a proxy that answers CONNECT with a text, and then sends back what comes.
func answering(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil || request.Method != http.MethodConnect {
			return
		}
		_, _ = io.WriteString(conn, answer)
		_, _ = io.Copy(conn, conn)
	}
}

func TestTunnel(t *testing.T) {
	request := make(chan *http.Request, 1)
	addr := listen(t, func(conn net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
		}
		request <- r
		// What other proxies answer also: an interim answer, lengths that mean nothing here, the target's first bytes.
		_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 Connection established\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello")
		_, _ = io.Copy(conn, conn)
	})
	conn, err := dial(t.Context(), t, proxy.Config{Proxy: "http://lobby:p%40ss%3Aword@" + addr})
	if err != nil {
		t.Fatal(err)
	}
	got := <-request
	user, password, ok := (&http.Request{Header: http.Header{"Authorization": got.Header["Proxy-Authorization"]}}).BasicAuth()
	if got.RequestURI != target || got.Host != target || !ok || user != "lobby" || password != "p@ss:word" {
		t.Errorf("request %+v", got)
	}
	if _, err := io.WriteString(conn, ", world"); err != nil {
		t.Error(err)
	}
	said := make([]byte, len("hello, world"))
	if _, err := io.ReadFull(conn, said); err != nil || string(said) != "hello, world" {
		t.Errorf("through the tunnel came %q, %v", said, err)
	}
	if via, ok := conn.(interface{ Proxy() string }); !ok || via.Proxy() != addr {
		t.Errorf("the connection %T goes through another proxy than %s", conn, addr)
	}
}

// Whatever a proxy answers, the error says what to do, without the credentials and the proxy's own words.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   []string
	}{
		"password wanted": {"HTTP/1.1 407 TAUNT\r\nProxy-Authenticate: Basic realm=\"TAUNT, x\"\r\n\r\n", []string{"wants a user name and password", "http://user:password@"}},
		"401":             {"HTTP/1.1 401 TAUNT\r\n\r\n", []string{"wants a user name and password (401 Unauthorized)"}},
		"unspecific 407":  {"HTTP/1.1 407 TAUNT\r\n\r\n", []string{"wants a user name and password"}},
		"other schemes":   {"HTTP/1.1 407 TAUNT\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM TAUNT==\r\n\r\n", []string{"Negotiate or NTLM", "can't do", "have it take Basic"}},
		"port not allowed": {"HTTP/1.1 403 TAUNT\r\nContent-Length: 5\r\n\r\nTAUNT",
			[]string{"refused to connect to " + target + " (403 Forbidden)", "have port 7237 allowed", "no_proxy"}},
		"server down":        {"HTTP/1.1 503 TAUNT\r\n\r\n", []string{"can't reach " + target + " (503 Service Unavailable)", "the server runs"}},
		"web server":         {"HTTP/1.1 405 TAUNT\r\n\r\n", []string{"is not a proxy", "405"}},
		"redirect":           {"HTTP/1.1 302 TAUNT\r\nLocation: http://TAUNT/\r\n\r\n", []string{"did not connect to " + target + " (302 Found)"}},
		"unheard-of":         {"HTTP/1.1 799 TAUNT\r\n\r\n", []string{"799"}},
		"garbage":            {"SSH-2.0-TAUNT\r\n", []string{"an answer that is not HTTP", "https://"}},
		"status garbage":     {"HTTP/1.1 TAUNT\r\n\r\n", []string{"an answer that is not HTTP"}},
		"header garbage":     {"HTTP/1.1 200 OK\r\nTAUNT\r\n\r\n", []string{"an answer that is not HTTP"}},
		"endless line":       {"HTTP/1.1 200 " + strings.Repeat("TAUNT", 5000), []string{"does not end"}},
		"endless header":     {"HTTP/1.1 200 OK\r\n" + strings.Repeat("TAUNT: x\r\n", 5000), []string{"does not end"}},
		"endless interim":    {strings.Repeat("HTTP/1.1 100 TAUNT\r\n\r\n", 100), []string{"does not end"}},
		"switched protocols": {"HTTP/1.1 101 TAUNT\r\n\r\nHTTP/1.1 403 TAUNT\r\n\r\n", []string{"403"}},
	} {
		t.Run(name, func(t *testing.T) {
			addr := listen(t, answering(c.answer))
			conn, err := dial(t.Context(), t, proxy.Config{Proxy: "http://" + addr})
			e, ok := errors.AsType[*proxy.Error](err)
			if conn != nil || !ok || e.Proxy != addr || e.Target != target {
				t.Fatalf("error %#v", err)
			}
			for _, want := range append(c.want, "proxy "+addr) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error doesn't say %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "TAUNT") {
				t.Errorf("the error repeats the proxy's words: %v", err)
			}
		})
	}
	addr := listen(t, answering("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n"))
	_, err := dial(t.Context(), t, proxy.Config{Proxy: "http://lobby:SECRET@" + addr})
	if err == nil || !strings.Contains(err.Error(), "does not take this user name and password") || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestProxyThatIsNotThere(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	closed.Close()
	_, err = dial(t.Context(), t, proxy.Config{Proxy: "http://" + addr})
	if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "proxy "+addr+" refused the connection") {
		t.Errorf("nothing listens: %v", err)
	}
	_, err = dial(t.Context(), t, proxy.Config{Proxy: "http://proxy.invalid:3128"})
	if err == nil || !strings.Contains(err.Error(), "proxy proxy.invalid:3128 has a name") {
		t.Errorf("no such name: %v", err)
	}
	gone := listen(t, func(conn net.Conn) {})
	_, err = dial(t.Context(), t, proxy.Config{Proxy: "http://" + gone})
	if err == nil || !strings.Contains(err.Error(), "closed the connection instead of connecting to "+target) {
		t.Errorf("hangs up: %v", err)
	}
}

// A proxy that never answers, or not to the end, is not waited for, and a cancelled attempt ends at once.
func TestSilentProxy(t *testing.T) {
	for _, said := range []string{"", "HTTP/1.1 200 OK\r\nX"} {
		asked := make(chan struct{})
		addr := listen(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, said)
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			close(asked)
			_, _ = io.Copy(io.Discard, conn) // until the other end gives up
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		_, err := dial(ctx, t, proxy.Config{Proxy: "http://" + addr})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "has not connected to "+target+" in time") {
			t.Errorf("after %q: %v", said, err)
		}
	}
	silent := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := dial(ctx, t, proxy.Config{Proxy: "https://" + silent}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no TLS either: %v", err)
	}
}

// A host on this machine's own network is asked itself first; the error then speaks of both ways.
func TestNearTargetThatIsOutOfReach(t *testing.T) {
	for answer, want := range map[string]string{
		"HTTP/1.1 200 OK\r\n\r\n": "",
		"HTTP/1.1 403 No\r\n\r\n": target + " does not answer on this network, and proxy ",
	} {
		addr := listen(t, answering(answer))
		_, err := dial(t.Context(), t, proxy.Config{Proxy: "http://" + addr, Near: func(ip netip.Addr) bool { return ip == netip.MustParseAddr("192.0.2.5") }})
		if got := errorText(err); !strings.HasPrefix(got, want) || want == "" && err != nil {
			t.Errorf("error %q, want %q", got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// An address that would be more than that in a request goes nowhere.
func TestTargetIsAnAddress(t *testing.T) {
	addr := listen(t, answering("HTTP/1.1 200 OK\r\n\r\n"))
	d, err := proxy.New(proxy.Config{Proxy: "http://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"a\r\nX: y:1", "a b:1", "é:1", "\x00:1"} {
		if conn, err := d.DialContext(t.Context(), "tcp", target); err == nil {
			conn.Close()
			t.Errorf("%q was dialled", target)
		}
	}
	conn, err := net.Dial("tcp", addr) // the one connection that was waited for
	if err == nil {
		conn.Close()
	}
}

func TestSchemes(t *testing.T) {
	for header, want := range map[string]string{
		`Basic realm="x"`: "Basic", "negotiate, ntlm , BASIC": "Negotiate NTLM Basic", `Digest realm="a, b", nonce="x", Basic realm="y"`: "Digest Basic", "Foo": "", "": "",
	} {
		if got := strings.Join(proxy.Schemes(header), " "); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// FuzzAnswer checks that no answer makes a viewer read more than it should, or lose what follows it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 407 x\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: -1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		_, early, err := proxy.ReadAnswer(r)
		read := len(data) - r.Len()
		if read > proxy.MaxAnswer {
			t.Errorf("%d bytes were read", read)
		}
		if err == nil && !bytes.HasSuffix(data[:read], early) {
			t.Errorf("%q is not what follows the answer", early)
		}
		proxy.Schemes(string(data))
	})
}

func TestRootFiles(t *testing.T) {
	if roots, err := proxy.ReadRoots(nil, ""); roots != nil || err != nil {
		t.Errorf("no files: %v, %v", roots, err)
	}
	empty := t.TempDir() + "/empty.pem"
	if err := os.WriteFile(empty, []byte("-----BEGIN JUNK-----\n-----END JUNK-----\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".none"} {
		if roots, err := proxy.ReadRoots([]string{file}, ""); roots == nil || err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, %v", file, roots, err)
		}
	}
}
