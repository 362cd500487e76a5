package agent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

// postdate replaces a viewer's certificate by one that its site's CA makes by a clock that is ahead.
func postdate(t *testing.T, site, state string, ahead time.Duration) {
	t.Helper()
	der := func(text []byte) []byte {
		block, _ := pem.Decode(text)
		if block == nil {
			t.Fatalf("no PEM: %q", text)
		}
		return block.Bytes
	}
	read := func(path ...string) []byte {
		data, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	ca, err := x509.ParseCertificate(der(read(site, "ca.pem")))
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der(read(site, "ca-key.pem")))
	if err != nil {
		t.Fatal(err)
	}
	var enrolment map[string]any
	if err := json.Unmarshal(read(state, "identity", "enrolment.json"), &enrolment); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der([]byte(enrolment["certificate"].(string))))
	if err != nil {
		t.Fatal(err)
	}
	cert.NotBefore, cert.NotAfter = cert.NotBefore.Add(ahead), cert.NotAfter.Add(ahead)
	made, err := x509.CreateCertificate(rand.Reader, cert, ca, cert.PublicKey, key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	enrolment["certificate"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}))
	data, err := json.Marshal(enrolment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(state, "identity", "enrolment.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// enrolled is a server of a site, in that folder, until the test ends, and the state folder of a viewer that belongs to it.
func enrolled(t *testing.T, site string) (s *server.Server, state string) {
	t.Helper()
	s, err := server.New(server.Config{State: site, Site: "test", Media: t.TempDir(), Role: protocol.RoleMain, Listen: "127.0.0.1:0", NTP: "127.0.0.1:0", Seconds: 10})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	token, err := s.Site().CreateToken(time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	state = t.TempDir()
	a, err := agent.New(agent.Config{State: state, Page: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Identity().Enrol(t.Context(), s.Addr().String(), token, "lobby", protocol.Device{}, a.CertificateTime); err != nil {
		t.Fatal(err)
	}
	return s, state
}

// The server whose clock was a year ahead renewed the viewer's certificate as well, so that nothing that the viewer has is of the present. It finds back to it by
// itself.
func TestEverythingIsFromTheFuture(t *testing.T) {
	site := t.TempDir()
	s, state := enrolled(t, site)
	c := agent.Config{State: state, Page: "127.0.0.1:0", Servers: []string{s.Addr().String()}, Discovery: config.Discovery{Interfaces: []string{"none"}}}
	const ahead = 365 * 24 * time.Hour
	postdate(t, site, c.State, ahead)
	if err := os.WriteFile(filepath.Join(c.State, "clock.json"), fmt.Appendf(nil, `{"time":%q}`, time.Now().Add(ahead).Format(time.RFC3339)), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := a.Identity().Enrolment(); !ok || time.Until(e.Issued()) < ahead/2 || a.Status().Clock.Trust != "saved" {
		t.Fatalf("its certificate is of %v, and its clock %+v", e.Issued(), a.Status().Clock)
	}
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan error, 1)
	go func() { running <- a.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-running; err != nil {
			t.Error(err)
		}
	}()
	deadline := time.After(time.Minute)
	for look := time.Tick(100 * time.Millisecond); ; {
		status := a.Status()
		if trust := status.Clock.Trust; (trust == "server" || trust == "ntp") && math.Abs(status.Clock.Offset) < 60 && status.Session.State == protocol.StateConnected {
			break
		}
		select {
		case <-look:
		case <-deadline:
			t.Fatalf("session %+v, clock %+v", status.Session, status.Clock)
		}
	}
	if e, _ := a.Identity().Enrolment(); time.Until(e.Issued()) > 0 {
		t.Errorf("its certificate is of %v", e.Issued())
	}
}
