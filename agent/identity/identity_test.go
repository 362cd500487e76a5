package identity_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
)

// authority is a site's CA.
type authority struct {
	t    *testing.T
	site string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, site string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, site: site, key: key}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{site}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue signs a certificate.
func (a *authority) issue(name string, public any, usage x509.ExtKeyUsage, from, to time.Time) []byte {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: []string{a.site}, CommonName: name},
		NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}, a.cert, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// answer is what a site answers to an enrolment.
func (a *authority) answer(csrPEM string) protocol.EnrollResponse {
	block, _ := pem.Decode([]byte(csrPEM))
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		a.t.Fatal(err)
	}
	der := a.issue("viewer1", csr.PublicKey, x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	return protocol.EnrollResponse{
		Viewer: "viewer1", Name: "lobby", Site: a.site, Certificate: pemOf(der), CA: pemOf(a.cert.Raw),
		PublishingKey: base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
	}
}

// listen runs an HTTPS server with a certificate of this CA, for a server or for something else.
func (a *authority) listen(usage x509.ExtKeyUsage, from, to time.Time, handler http.Handler) string {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{
		Certificate: [][]byte{a.issue("server1", key.Public(), usage, from, to), a.cert.Raw}, PrivateKey: key,
	}}}
	server.StartTLS()
	a.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// enrolment answers enrolments, changed by change.
func (a *authority) enrolment(change func(*protocol.EnrollResponse)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request protocol.EnrollRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			protocol.WriteProblem(w, http.StatusBadRequest, err.Error())
			return
		}
		response := a.answer(request.CSR)
		if change != nil {
			change(&response)
		}
		_ = json.NewEncoder(w).Encode(response)
	})
}

func (a *authority) token() protocol.JoinToken { return protocol.NewJoinToken(protocol.PinOf(a.cert)) }

func now() (time.Time, bool) { return time.Now(), false }

func open(t *testing.T, dir string) *identity.Identity {
	t.Helper()
	id, err := identity.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var soon = time.Now().Add(time.Hour)

func TestEnrolAndReopen(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	dir := filepath.Join(t.TempDir(), "identity")
	id := open(t, dir)
	if _, ok := id.Enrolment(); ok {
		t.Fatal("enrolled before it asked")
	}
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
		t.Fatal(err)
	}
	for _, id := range []*identity.Identity{id, open(t, dir)} {
		e, ok := id.Enrolment()
		if !ok || e.Viewer != "viewer1" || e.Site != "north" {
			t.Errorf("enrolment %+v, %v", e, ok)
		}
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s may be read by others: %v %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Whatever a false or broken server answers, nothing of it may be kept.
func TestBadAnswersAreNotKept(t *testing.T) {
	north, south := newAuthority(t, "north"), newAuthority(t, "south")
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*protocol.EnrollResponse)
		want   string
	}{
		"another key": {func(r *protocol.EnrollResponse) {
			r.Certificate = pemOf(north.issue("viewer1", stranger.Public(), x509.ExtKeyUsageClientAuth, time.Now(), soon))
		}, "another key"},
		"another CA":       {func(r *protocol.EnrollResponse) { r.CA = pemOf(south.cert.Raw) }, "another CA"},
		"another viewer":   {func(r *protocol.EnrollResponse) { r.Viewer = "viewer2" }, "viewer2"},
		"no certificate":   {func(r *protocol.EnrollResponse) { r.Certificate = "" }, "PEM"},
		"half a key":       {func(r *protocol.EnrollResponse) { r.PublishingKey = r.PublishingKey[:20] }, "publishing key"},
		"certificate junk": {func(r *protocol.EnrollResponse) { r.Certificate = pemOf([]byte("junk")) }, "can't be read"},
	} {
		dir := t.TempDir()
		id := open(t, dir)
		addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(c.change))
		err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
		if _, err := os.Stat(filepath.Join(dir, "enrolment.json")); err == nil {
			t.Errorf("%s: the answer was kept", name)
		}
	}
}

// The secret of a token must reach nobody who isn't the site: not one with another CA, and not over a redirect.
func TestSecretGoesToTheSiteOnly(t *testing.T) {
	north, south := newAuthority(t, "north"), newAuthority(t, "south")
	asked := false
	spy := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true })
	token := north.token()
	id := open(t, t.TempDir())
	addr := south.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, spy)
	err := id.Enrol(t.Context(), addr, token, "lobby", protocol.Device{}, now)
	if trust, ok := errors.AsType[*identity.TrustError](err); !ok || trust.Site != "south" || asked {
		t.Errorf("another site: %v, asked %v", err, asked)
	}
	redirect := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+addr+"/", http.StatusTemporaryRedirect)
	})
	from := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, redirect)
	if err := id.Enrol(t.Context(), from, token, "lobby", protocol.Device{}, now); err == nil || asked {
		t.Errorf("redirect: %v, asked %v", err, asked)
	}
	viewer := north.listen(x509.ExtKeyUsageClientAuth, time.Now().Add(-time.Hour), soon, spy)
	if err := id.Enrol(t.Context(), viewer, token, "lobby", protocol.Device{}, now); err == nil || asked {
		t.Errorf("a viewer that plays server: %v, asked %v", err, asked)
	}
}

// A viewer without a battery boots before the certificate was made, knows it, and must connect all the same: where else
// would it learn the time? One whose clock is plausible must not.
func TestClockBehindTheCertificate(t *testing.T) {
	north := newAuthority(t, "north")
	tomorrow := time.Now().Add(12 * time.Hour)
	addr := north.listen(x509.ExtKeyUsageServerAuth, tomorrow, tomorrow.Add(time.Hour), north.enrolment(nil))
	id := open(t, t.TempDir())
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Errorf("with a plausible clock: %v", err)
	}
	behind := func() (time.Time, bool) { return time.Now(), true }
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, behind); err != nil {
		t.Errorf("with a clock that is known to be behind: %v", err)
	}
	past := time.Now().Add(-time.Hour)
	addr = north.listen(x509.ExtKeyUsageServerAuth, past.Add(-time.Hour), past, north.enrolment(nil))
	if err := open(t, t.TempDir()).Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, behind); err == nil || !strings.Contains(err.Error(), "or later") {
		t.Errorf("of a certificate that has expired even by a clock that is behind: %v", err)
	}
}

func TestRefusalIsTold(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		protocol.WriteProblem(w, http.StatusForbidden, "the token has expired")
	}))
	err := open(t, t.TempDir()).Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now)
	if refused, ok := errors.AsType[*identity.RefusedError](err); !ok || refused.Reason != "the token has expired" {
		t.Errorf("error %v", err)
	}
}

// A damaged file must not keep a viewer from starting: what it has on disk is to play.
func TestDamagedFilesAreSetAside(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	for _, file := range []string{"key.pem", "enrolment.json"} {
		dir := t.TempDir()
		if err := open(t, dir).Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		id, err := identity.Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := id.Enrolment(); ok || !strings.Contains(log.String(), file) {
			t.Errorf("%s: enrolled %v; log:\n%s", file, ok, log.String())
		}
		if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
			t.Errorf("%s: it can't be enrolled again: %v", file, err)
		}
	}
	if _, err := open(t, t.TempDir()).ClientTLS(now); err == nil {
		t.Error("a configuration before the enrolment")
	}
}

// A file that can't be read, as one with a bad block for a while, costs the session as long as that lasts, and never the enrolment: nothing takes its place, and
// once it can be read again all is as before.
func TestUnreadableFilesStay(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	for _, file := range []string{"key.pem", "enrolment.json", "renewed key"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			if err := open(t, dir).Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
				t.Fatal(err)
			}
			if file == "renewed key" {
				file = renew(t, dir)
			}
			path := filepath.Join(dir, file)
			if err := errors.Join(os.Rename(path, path+".away"), os.Mkdir(path, 0o700)); err != nil { // a folder can't be read as a file
				t.Fatal(err)
			}
			id, err := identity.Open(dir, nil)
			if _, enrolled := id.Enrolment(); err == nil || !strings.Contains(err.Error(), path) || enrolled || id.Unread() == nil {
				t.Errorf("enrolled %v, told %v", enrolled, err)
			}
			err = id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now)
			asked := id.Pair(t.Context(), addr, "lobby", protocol.Device{}, now)
			for _, err := range []error{err, asked} {
				if err == nil || !strings.Contains(err.Error(), "none takes its place") {
					t.Errorf("it is enrolled anew: %v", err)
				}
			}
			id.Again()
			if id.Unread() == nil {
				t.Error("it was read")
			}
			if err := errors.Join(os.Remove(path), os.Rename(path+".away", path)); err != nil {
				t.Fatal(err)
			}
			for _, id := range []*identity.Identity{open(t, dir), id} {
				id.Again()
				if e, ok := id.Enrolment(); !ok || e.Viewer != "viewer1" || id.Unread() != nil {
					t.Errorf("afterwards: enrolled %v, %v", ok, id.Unread())
				}
				if _, err := id.ClientTLS(now); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// renew makes the key one of a renewed certificate, and gives the name of its file.
func renew(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.(*ecdsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	name := fmt.Sprintf("key-%x.pem", sum[:8])
	if err := os.Rename(filepath.Join(dir, "key.pem"), filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	return name
}

// A proxy that looks into TLS connections shows certificates of its own, with the names of the real ones. The person who can
// change that is told what it is, not that the viewer belongs to another site.
func TestInspectedConnectionIsNamed(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	enrolled, fresh := open(t, t.TempDir()), open(t, t.TempDir())
	if err := enrolled.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
		t.Fatal(err)
	}
	for _, imitated := range []string{"north", "", "Example Inc"} {
		inspector := newAuthority(t, "Corp")
		inspector.cert.Subject = pkix.Name{CommonName: "Corp Proxy CA"}
		inspector.cert.RawSubject = nil
		inspector.site = imitated
		spy := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
		addr := inspector.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, spy)
		for name, err := range map[string]error{
			"enrolment": fresh.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now),
			"renewal":   enrolled.Renew(t.Context(), addr, protocol.Device{}, now),
		} {
			_, ok := errors.AsType[*identity.TrustError](err)
			if !ok || !strings.Contains(err.Error(), `(certificate of "Corp Proxy CA")`) || !strings.Contains(err.Error(), "TLS inspection") {
				t.Errorf("%s, imitating %q: %v", name, imitated, err)
			}
		}
	}
}

// What dials for the identity is used for both requests, and its errors come back whole.
func TestDial(t *testing.T) {
	north := newAuthority(t, "north")
	addr := north.listen(x509.ExtKeyUsageServerAuth, time.Now().Add(-time.Hour), soon, north.enrolment(nil))
	id := open(t, t.TempDir())
	wrong := errors.New("the proxy is closed today")
	id.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, wrong }
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); !errors.Is(err, wrong) {
		t.Errorf("enrolment: %v", err)
	}
	var dialled []string
	id.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	if err := id.Enrol(t.Context(), addr, north.token(), "lobby", protocol.Device{}, now); err != nil {
		t.Fatal(err)
	}
	if err := id.Renew(t.Context(), addr, protocol.Device{}, now); err != nil {
		t.Fatal(err)
	}
	if len(dialled) != 2 || dialled[0] != addr || dialled[1] != addr {
		t.Errorf("dialled %v", dialled)
	}
}
