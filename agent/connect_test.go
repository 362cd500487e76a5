package agent_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/agent/session"
)

// cdn is a web server, and a proxy as the only way there. It gives the proxy's address, and the file with the authority that
// the server is believed by.
func cdn(t *testing.T) (proxy, authority string) {
	t.Helper()
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "a film") }))
	t.Cleanup(web.Close)
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "cdn.example.com:443" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		far, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		w.WriteHeader(http.StatusOK)
		near, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer near.Close()
		go func() {
			_, _ = io.Copy(far, buffered)
			far.Close()
		}()
		_, _ = io.Copy(near, far)
	}))
	t.Cleanup(gate.Close)
	authority = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return gate.URL, authority
}

// Content from outside the site comes through the proxy too, and from a server whose certificate is made on the way if its
// authority is in the settings.
func TestPublicContentThroughProxy(t *testing.T) {
	proxy, authority := cdn(t)
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"with the authority": {[]string{authority}, ""},
		"without":            {nil, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := agent.New(agent.Config{
				State: t.TempDir(), Page: "127.0.0.1:0",
				Network: config.Network{Proxy: protocol.NewSecret(proxy), CAFiles: c.files},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			client := &http.Client{Transport: a.ContentTransport()}
			resp, err := client.Get("https://cdn.example.com/film")
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); string(got) != "a film" || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// A certificate that isn't valid yet says that the clock is behind, unless a server has told the time: a firmware's date and systemd's look like a time, too.
func TestCertificatesOfTheFuture(t *testing.T) {
	a, err := agent.New(agent.Config{State: t.TempDir(), Page: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, atLeast := a.CertificateTime(); !atLeast {
		t.Error("a clock that nobody has confirmed is believed against a certificate")
	}
	told := time.Now().Add(time.Hour)
	a.TellTime(told)
	if now, atLeast := a.CertificateTime(); atLeast || now.Sub(told).Abs() > time.Minute {
		t.Errorf("told %v by a server, it is %v, or later: %v", told, now, atLeast)
	}
}

// A server whose clock was a year ahead told the time once, and was switched off: the next start is in the year to come, whatever the machine's clock says. The
// server, with its certificate of 90 days, is believed all the same, and sets the clock right.
func TestSavedTimeIsFarAhead(t *testing.T) {
	s, state := enrolled(t, t.TempDir())
	c := agent.Config{State: state, Page: "127.0.0.1:0"}
	ahead := time.Now().AddDate(1, 0, 0)
	if err := os.WriteFile(filepath.Join(c.State, "clock.json"), fmt.Appendf(nil, `{"time":%q}`, ahead.Format(time.RFC3339)), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got := a.Status().Clock; got.Trust != "saved" || got.Offset < 360*24*3600 {
		t.Fatalf("it starts with %+v", got)
	}
	a.ContentFrom(s.Addr().String())
	resp, err := (&http.Client{Transport: a.ContentTransport()}).Head(protocol.ContentURL(s.Addr().String(), protocol.PathManifests))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := a.Status().Clock; got.Trust != "server" || math.Abs(got.Offset) > 60 {
		t.Errorf("after the server's word: %+v", got)
	}
}

// A machine that was refused as a copy shows a code, and no longer once the site takes it for its viewer after all.
func TestTakenForItselfAgain(t *testing.T) {
	state, media := t.TempDir(), t.TempDir()
	serve := func() (s *server.Server, stop func()) {
		t.Helper()
		s, err := server.New(server.Config{State: state, Site: "test", Media: media, Role: protocol.RoleMain, Listen: "127.0.0.1:0", NTP: "127.0.0.1:0", Seconds: 10})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		return s, func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	s, stop := serve()
	a, err := agent.New(agent.Config{State: t.TempDir(), Page: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	token, err := s.Site().CreateToken(time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	before := protocol.Device{Fingerprint: "before a part was changed"}
	if err := a.Identity().Enrol(t.Context(), s.Addr().String(), token, "lobby", before, a.CertificateTime); err != nil {
		t.Fatal(err)
	}
	if err := a.Identity().Renew(t.Context(), s.Addr().String(), before, a.CertificateTime); err != nil {
		t.Fatal(err)
	}
	if err := a.Renew(t.Context(), s.Addr().String()); !errors.Is(err, session.ErrPending) || a.Code() == "" {
		t.Fatalf("%v; it shows the code %q", err, a.Code())
	}
	stop() // with what the server knew of when it heard of whom
	s, stop = serve()
	defer stop()
	if err := a.Renew(t.Context(), s.Addr().String()); err != nil || a.Code() != "" {
		t.Errorf("%v; it shows the code %q", err, a.Code())
	}
}
