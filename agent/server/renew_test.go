package server_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

// A renewed certificate has a new key and a later date, is good after a restart, and leaves no old key behind.
func TestRenew(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	dir := t.TempDir()
	id := enrolledIn(t, s, dir, "lobby")
	before, _ := id.Enrolment()
	if at := time.Until(before.RenewAt()); at < 18*24*time.Hour || at > 21*24*time.Hour {
		t.Errorf("to be renewed in %v", at)
	}
	for range 2 {
		if err := id.Renew(t.Context(), s.Addr().String(), protocol.Device{Model: "x"}, now); err != nil {
			t.Fatal(err)
		}
	}
	again, err := identity.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	after, ok := again.Enrolment()
	if !ok || after.Viewer != before.Viewer || after.Name != "lobby" || after.Expires().Before(before.Expires()) {
		t.Errorf("renewed to %+v", after)
	}
	v, _ := connect(t, again, s.Addr().String(), nil)
	v.await(t, protocol.StateConnected)
	record, err := s.Site().Viewer(before.Viewer)
	if err != nil || record.Renewed.IsZero() || record.Device.Model != "x" {
		t.Errorf("the site's record is %+v, %v", record, err)
	}
	keys, err := filepath.Glob(filepath.Join(dir, "key*"))
	if err != nil || len(keys) != 2 {
		t.Errorf("keys %q: want the first and the present one (%v)", keys, err)
	}
	first, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		data, err := os.ReadFile(k)
		if info, statErr := os.Stat(k); err != nil || statErr != nil || info.Mode().Perm() != 0o600 || filepath.Base(k) != "key.pem" && bytes.Equal(data, first) {
			t.Errorf("%s: %v, %v", k, err, info)
		}
	}
}

// A viewer that was in a cupboard renews when the server refuses its session; one that was there too long must be enrolled
// again, and says so.
func TestExpiredCertificate(t *testing.T) {
	for name, test := range map[string]struct {
		grace time.Duration
		want  string
	}{
		"within the grace": {2 * time.Hour, protocol.StateConnected},
		"too late":         {time.Minute, protocol.StateOffline},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, t.TempDir())
			c.CertificateLife = -time.Hour // it expired an hour ago
			s, stop := start(t, c)
			id := enrolled(t, s, "lobby")
			stop()
			c.CertificateLife, c.RenewalGrace = 0, test.grace
			s, _ = start(t, c)
			v, _ := connect(t, id, s.Addr().String(), nil)
			status := v.await(t, test.want)
			e, _ := id.Enrolment()
			if renewed := time.Until(e.Expires()) > 0; renewed != (test.want == protocol.StateConnected) {
				t.Errorf("the certificate is good until %v", e.Expires())
			}
			if test.want == protocol.StateOffline && !strings.Contains(status.Error, "enrol this viewer again with a new join token") {
				t.Errorf("the reason is %q", status.Error)
			}
		})
	}
}

// A server whose clock was a year ahead for a morning made certificates by it, for viewers and for itself. When its clock is right again nobody waits for
// their day.
func TestCertificatesFromTheFuture(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	const ahead = 365 * 24 * time.Hour
	s.Site().SetAhead(ahead)
	id, err := identity.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.Site().CreateToken(time.Hour, 1)
	if err != nil {
		t.Fatal(err)
	}
	believes := func() (time.Time, bool) { return time.Now().Add(ahead), false }
	if err := id.Enrol(t.Context(), s.Addr().String(), token, "lobby", protocol.Device{}, believes); err != nil {
		t.Fatal(err)
	}
	if e, _ := id.Enrolment(); time.Until(e.Issued()) < ahead-48*time.Hour {
		t.Fatalf("its certificate is of %v", e.Issued())
	}
	s.Site().SetAhead(0)
	v, _ := connect(t, id, s.Addr().String(), nil)
	v.await(t, protocol.StateConnected)
	if e, _ := id.Enrolment(); time.Until(e.Issued()) > 0 || time.Until(e.Expires()) < 0 {
		t.Errorf("its certificate is good from %v to %v", e.Issued(), e.Expires())
	}
}

// A viewer that is turned out loses its session at once, gets nothing any more, and says why.
func TestRevoke(t *testing.T) {
	c := config(t, t.TempDir())
	s, _ := start(t, c)
	id := enrolled(t, s, "lobby")
	v, _ := connect(t, id, s.Addr().String(), nil)
	v.await(t, protocol.StateConnected)
	control := server.NewControl(c.State)
	if _, err := control.Revoke(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "viewers list") {
		t.Errorf("a viewer that isn't there: %v", err)
	}
	revoked, err := control.Revoke(t.Context(), "lobby")
	if err != nil || revoked.Revoked.IsZero() {
		t.Fatalf("%+v, %v", revoked, err)
	}
	v.await(t, protocol.StateOffline)
	for deadline := time.Now().Add(patience); !strings.Contains(v.Status().Error, "was revoked on"); {
		if time.Now().After(deadline) {
			t.Fatalf("the reason is %q", v.Status().Error)
		}
		v.await(t, protocol.StateOffline)
	}
	var refused *identity.RefusedError
	if err := id.Renew(t.Context(), s.Addr().String(), protocol.Device{}, now); !errors.As(err, &refused) {
		t.Errorf("renewal: %v", err)
	}
}

func TestRename(t *testing.T) {
	c := config(t, t.TempDir())
	s, _ := start(t, c)
	enrolled(t, s, "lobby")
	enrolled(t, s, "bar")
	control := server.NewControl(c.State)
	if v, err := control.Rename(t.Context(), "bar", "café"); err != nil || v.Name != "café" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, name := range []string{"lobby", "", " x"} {
		if v, err := control.Rename(t.Context(), "café", name); err == nil {
			t.Errorf("renamed to %q: %+v", name, v)
		}
	}
	if v, err := s.Site().Viewer("café"); err != nil || v.Name != "café" {
		t.Errorf("%+v, %v", v, err)
	}
}
