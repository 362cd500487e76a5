package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
)

// pair asks once for approval, and gives the code that the viewer shows.
func pair(t *testing.T, id *identity.Identity, addr string) (code string, err error) {
	t.Helper()
	err = id.Pair(t.Context(), addr, "lobby", protocol.Device{Hostname: "box"}, now)
	if pending, ok := errors.AsType[*identity.PendingError](err); ok {
		return pending.Code, nil
	}
	return "", err
}

func opened(t *testing.T, dir string) *identity.Identity {
	t.Helper()
	id, err := identity.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Both ends show the same code, whoever asks again and whichever end was started anew in between, and once a person has approved it the viewer
// belongs to the site.
func TestPairing(t *testing.T) {
	state := t.TempDir()
	s, stop := start(t, config(t, state))
	addr := s.Addr().String()
	id := opened(t, t.TempDir())
	code, err := pair(t, id, addr)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	c := config(t, state)
	c.Listen = addr
	s, _ = start(t, c)
	again, err := pair(t, id, addr)
	waiting, listed := s.Site().Waiting()
	if err != nil || listed != nil || again != code || len(waiting) != 1 || waiting[0].Code != code || waiting[0].Name != "lobby" || waiting[0].Device.Hostname != "box" {
		t.Fatalf("the viewer shows %s, then %s (%v); the site %+v (%v)", code, again, err, waiting, listed)
	}
	if _, ok := id.Enrolment(); ok {
		t.Error("it is enrolled before anybody has approved it")
	}
	if _, err := s.Site().Approve("nobody", "", ""); err == nil || !strings.Contains(err.Error(), "no viewer with the code or name") {
		t.Errorf("approving nobody: %v", err)
	}
	v, err := s.Site().Approve(strings.ToLower(code), "Lobby, left", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pair(t, id, addr); err != nil {
		t.Fatal(err)
	}
	if e, ok := id.Enrolment(); !ok || e.Viewer != v.ID || e.Name != "Lobby, left" || e.Site != "test" {
		t.Errorf("enrolled as %+v", e)
	}
	session, _ := connect(t, id, addr, nil)
	session.await(t, protocol.StateConnected)
	if waiting, _ := s.Site().Waiting(); len(waiting) != 0 {
		t.Errorf("still waiting: %+v", waiting)
	}
}

func TestPairingIsRejected(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	id := opened(t, t.TempDir())
	if _, err := pair(t, id, s.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Site().Reject("lobby"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := pair(t, id, s.Addr().String())
		if _, ok := errors.AsType[*identity.RefusedError](err); !ok || !strings.Contains(err.Error(), "was rejected at the site") {
			t.Errorf("it is told %v", err)
		}
	}
}

// Two that would like to be called the same are told apart by their codes.
func TestPairingByAmbiguousName(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	var codes []string
	for range 2 {
		code, err := pair(t, opened(t, t.TempDir()), s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	if _, err := s.Site().Approve("lobby", "", ""); err == nil || !strings.Contains(err.Error(), "say which by its code") {
		t.Errorf("by name: %v", err)
	}
	first, err1 := s.Site().Approve(codes[0], "", "")
	second, err2 := s.Site().Approve(codes[1], "", "")
	if err1 != nil || err2 != nil || first.Name != "lobby" || second.Name != "lobby-2" {
		t.Errorf("%+v, %+v, %v, %v", first, second, err1, err2)
	}
}

// A machine that takes the place of another has its id and name; the other one has nothing any more.
func TestPairingInPlaceOfAnother(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	addr := s.Addr().String()
	old := enrolled(t, s, "hall")
	was, _ := old.Enrolment()
	id := opened(t, t.TempDir())
	code, err := pair(t, id, addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Site().Approve(code, "", "hall"); err != nil {
		t.Fatal(err)
	}
	if _, err := pair(t, id, addr); err != nil {
		t.Fatal(err)
	}
	if e, _ := id.Enrolment(); e.Viewer != was.Viewer || e.Name != "hall" {
		t.Errorf("enrolled as %+v", e)
	}
	fresh, _ := connect(t, id, addr, nil)
	fresh.await(t, protocol.StateConnected)
	gone, _ := connect(t, old, addr, nil)
	if status := gone.await(t, protocol.StateOffline); !strings.Contains(status.Error, "another machine has taken the place of viewer hall") {
		t.Errorf("the old one is told %q", status.Error)
	}
}

// Somebody in the middle, who is a server for the viewer and a viewer for the server, makes them show different codes.
func TestPairingWithSomebodyInTheMiddle(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	evil, _ := start(t, config(t, t.TempDir()))

	atViewer, err1 := pair(t, opened(t, t.TempDir()), evil.Addr().String())
	atMiddle, err2 := pair(t, opened(t, t.TempDir()), s.Addr().String())
	waiting, err3 := s.Site().Waiting()
	if err := errors.Join(err1, err2, err3); err != nil || len(waiting) != 1 {
		t.Fatal(err, waiting)
	}
	if waiting[0].Code != atMiddle || waiting[0].Code == atViewer {
		t.Errorf("the viewer shows %s, the server %s", atViewer, waiting[0].Code)
	}
}

// Once it has asked, a viewer stays with that site: another one that answers at the same address is not believed.
func TestPairingStaysWithItsSite(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	other, _ := start(t, config(t, t.TempDir()))
	var mu sync.Mutex
	to := s.Addr().String()
	id := opened(t, t.TempDir())
	id.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	code, err := pair(t, id, "site.test:7237")
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	to = other.Addr().String()
	mu.Unlock()
	_, err = pair(t, id, "site.test:7237")
	if _, ok := errors.AsType[*identity.TrustError](err); !ok {
		t.Errorf("the other site is taken: %v", err)
	}
	mu.Lock()
	to = s.Addr().String()
	mu.Unlock()
	if again, err := pair(t, id, "site.test:7237"); err != nil || again != code {
		t.Errorf("the code is %s, before it was %s (%v)", again, code, err)
	}
}

// More than a person could look at are sent away for a while.
func TestPairingsAreBounded(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	addr := s.Addr().String()
	ask := func(peer string) error {
		_, _, err := s.Site().Pair(protocol.PairRequest{CSR: newCSR(t), Name: "lobby", Commitment: "x"}, peer)
		return err
	}
	for i := range 100 {
		if err := ask(fmt.Sprint("10.0.0.", i/20)); err != nil {
			t.Fatal(err)
		}
		if i == 19 && ask("10.0.0.0") == nil {
			t.Error("one address asks for more than its share")
		}
	}
	_, err := pair(t, opened(t, t.TempDir()), addr)
	if busy, ok := errors.AsType[*identity.BusyError](err); !ok || busy.RetryAfter().Seconds() != 60 {
		t.Errorf("one more: %v", err)
	}
}

// newCSR is a request by a new key.
func newCSR(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// Who shows another nonce than the one that the commitment is for gets no code.
func TestPairingNeedsTheCommittedNonce(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	r := protocol.PairRequest{CSR: newCSR(t), Name: "lobby", Commitment: "x"}
	if _, _, err := s.Site().Pair(r, ""); err != nil {
		t.Fatal(err)
	}
	nonce := protocol.NewNonce()
	r.Nonce = &nonce
	if _, _, err := s.Site().Pair(r, ""); err == nil || !strings.Contains(err.Error(), "committed itself to") {
		t.Errorf("another nonce: %v", err)
	}
	if waiting, err := s.Site().Waiting(); err != nil || len(waiting) != 0 {
		t.Errorf("waiting: %+v, %v", waiting, err)
	}
}

// A site that has forgotten a request, as one that was restored from a backup, gets it anew, with another code.
func TestPairingIsForgotten(t *testing.T) {
	state := t.TempDir()
	s, _ := start(t, config(t, state))
	id := opened(t, t.TempDir())
	before, err := pair(t, id, s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(state, "pairings", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	after, err := pair(t, id, s.Addr().String())
	waiting, listed := s.Site().Waiting()
	if err != nil || listed != nil || after == before || len(waiting) != 1 || waiting[0].Code != after {
		t.Errorf("the code was %s, and is %s (%v); the site has %+v (%v)", before, after, err, waiting, listed)
	}
}
