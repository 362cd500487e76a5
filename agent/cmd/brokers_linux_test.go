package cmd_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"image/color"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// expiring is an option of mosquitto_pub: every command has an expiry.
var expiring = []string{"-D", "publish", "message-expiry-interval", "60"}

// stock is a site with mosquitto on the session's port, nginx for content on another, and an enrolment service of the vendor's.
func stock(t *testing.T) (v *vendor, broker *process) {
	t.Helper()
	v = newVendor(t)
	v.enrol("-brokers", v.broker, "-https", v.web)
	v.nginx()
	return v, v.mosquitto()
}

// view starts a viewer that enrols over HTTPS, and waits until it plays a red picture.
func (v *vendor) view(state string, backend *mailbox) (p *process, page string, s agent.Status) {
	v.t.Helper()
	p, page = view(v.t, state, v.etc+"/token", "--server", v.web)
	s = awaitStatus(v.t, page, "connected", connected)
	backend.presence(s.Viewer, true)
	v.desire(s.Viewer, v.publish("red", color.RGBA{200, 0, 0, 255}))
	return p, page, awaitStatus(v.t, page, "playing", playing)
}

// order gives a viewer a command.
func (v *vendor) order(viewer, command string, more ...string) {
	v.t.Helper()
	v.pub(protocol.Topic(viewer, protocol.KindCommand), command, more...)
}

// From an empty state to playing, and a command: our server is not in it, and its place has two programs on two ports.
func TestMosquittoAndNginx(t *testing.T) {
	v, _ := stock(t)
	backend := v.listen()
	_, page, got := v.view(t.TempDir(), backend)
	if got.Session.State != protocol.StateConnected || got.Session.Server != v.broker || got.Site != "acme" || got.Name != "screen" ||
		got.Rev != v.rev || len(got.Faults) > 0 {
		t.Errorf("status %+v", got)
	}
	mustServe(t, page, got)

	answers := protocol.Topic(got.Viewer, protocol.KindResult) + "/operations"
	v.order(got.Viewer, `{"id": "one", "name": "identify"}`,
		append(expiring, "-D", "publish", "response-topic", answers, "-D", "publish", "correlation-data", "ticket-17")...)
	if done := backend.result("one", protocol.ResultDone); done.topic != answers || done.correlation != "ticket-17" {
		t.Errorf("answered by %+v", done)
	}
	v.order(got.Viewer, `{"id": "late", "name": "identify", "expires": "2026-01-01T00:00:00Z"}`, expiring...)
	backend.result("late", protocol.ResultFailed)
	v.order(got.Viewer, `{"id": "timeless", "name": "identify"}`)
	backend.result("timeless", protocol.ResultFailed)
	// A response topic that the broker's rules forbid loses that answer, and nothing else.
	v.order(got.Viewer, `{"id": "astray", "name": "identify"}`, append(expiring, "-D", "publish", "response-topic", "elsewhere")...)
	v.order(got.Viewer, `{"id": "two", "name": "identify"}`, expiring...)
	backend.result("two", protocol.ResultDone)
	for id, want := range map[string]int{"one": 1, "late": 0, "timeless": 0, "two": 1} {
		if n := backend.runs(id); n != want {
			t.Errorf("command %q was done %d times", id, n)
		}
	}

	blue := v.publish("blue", color.RGBA{0, 0, 200, 255})
	v.desire(got.Viewer, blue)
	awaitStatus(t, page, "playing the new programme", func(s agent.Status) bool { return s.Content.Generation == blue.Digest && playing(s) })
}

// The will is for viewers that can't say goodbye; one that comes back within its delay isn't said to have been away.
func TestMosquittoDeliversWill(t *testing.T) {
	v, _ := stock(t)
	backend := v.listen()
	state := t.TempDir()
	viewer, _, up := v.view(state, backend)
	viewer.kill()
	backend.presence(up.Viewer, false)
	_, page := view(t, state, "")
	awaitStatus(t, page, "connected", connected)
	backend.presence(up.Viewer, true)
}

// A broker that is restarted properly has kept the session, and the commands in it.
func TestMosquittoRestartsWithItsState(t *testing.T) {
	v, broker := stock(t)
	backend := v.listen()
	state := t.TempDir()
	viewer, _, up := v.view(state, backend)
	viewer.stop()
	v.order(up.Viewer, `{"id": "kept", "name": "identify"}`, expiring...)
	broker.stop()
	v.mosquitto()
	backend = v.listen()
	_, page := view(t, state, "")
	backend.result("kept", protocol.ResultDone)
	again := awaitStatus(t, page, "playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	if again.Rev != v.rev || backend.runs("kept") != 1 {
		t.Errorf("after the restart: %+v", again)
	}
}

// One that has lost everything begins anew: the viewer subscribes again, says what it has, and takes what it is told. A revision that
// started again from 1 isn't followed.
func TestMosquittoRestartsWithoutItsState(t *testing.T) {
	v, broker := stock(t)
	backend := v.listen()
	_, page, up := v.view(t.TempDir(), backend)
	v.rev += 10
	v.desire(up.Viewer, v.publish("blue", color.RGBA{0, 0, 200, 255}))
	before := awaitStatus(t, page, "at the revision", func(s agent.Status) bool { return s.Rev == v.rev })

	broker.kill()
	if files, err := filepath.Glob(v.lib + "/*"); err != nil {
		t.Fatal(err)
	} else {
		for _, file := range files {
			os.Remove(file)
		}
	}
	v.mosquitto()
	backend = v.listen()
	awaitStatus(t, page, "connected again", connected)
	backend.await("report of the revision", func(m message) bool {
		r, err := protocol.ParseReported([]byte(m.payload))
		return err == nil && m.topic == protocol.Topic(up.Viewer, protocol.KindReported) && r.Rev == before.Rev
	})
	v.rev = 0
	v.desire(up.Viewer, v.publish("green", color.RGBA{0, 200, 0, 255}))
	v.order(up.Viewer, `{"id": "after", "name": "refresh"}`, expiring...)
	backend.result("after", protocol.ResultDone)
	v.rev = before.Rev
	green := v.publish("green", color.RGBA{0, 200, 0, 255})
	if s := status(t, page); s.Content.Generation == green.Digest {
		t.Errorf("it took an older revision: %+v", s)
	}
	v.desire(up.Viewer, green)
	awaitStatus(t, page, "playing the new programme", func(s agent.Status) bool { return s.Content.Generation == green.Digest })
}

// Two brokers that know nothing of each other are enough for failover: the back end talks to both, and the viewer to one.
func TestMosquittoFailsOver(t *testing.T) {
	v, main := stock(t)
	spare := *v
	spare.broker, spare.backend, spare.lib = freeAddr(t), freeAddr(t), t.TempDir()
	spare.mosquitto()
	v.servers = []protocol.Server{
		{ID: "main", Role: protocol.RoleMain, Addrs: []string{v.broker}, HTTPS: []string{v.web}},
		{ID: "spare", Role: protocol.RoleBackup, Addrs: []string{spare.broker}, HTTPS: []string{v.web}},
	}
	_, page, up := v.view(t.TempDir(), v.listen())
	backend := spare.listen()

	main.kill()
	backend.presence(up.Viewer, true)
	got := awaitStatus(t, page, "with the other broker", connected)
	if got.Session.Server != spare.broker || got.Session.State != protocol.StateDegraded {
		t.Errorf("status %+v", got)
	}
	spare.order(up.Viewer, `{"id": "there", "name": "identify"}`, expiring...)
	backend.result("there", protocol.ResultDone)
	spare.rev = v.rev
	blue := spare.publish("blue", color.RGBA{0, 0, 200, 255})
	spare.desire(up.Viewer, blue)
	awaitStatus(t, page, "playing the new programme", func(s agent.Status) bool { return s.Content.Generation == blue.Digest && playing(s) })
}

// A viewer's certificate opens its own topics, and nothing else; nor does it end the session of another.
func TestMosquittoAndNginxKeepViewersApart(t *testing.T) {
	v, _ := stock(t)
	backend := v.listen()
	_, page, victim := v.view(t.TempDir(), backend)
	state := t.TempDir()
	intruder, _, other := v.view(state, backend)
	intruder.stop()
	certificate := v.certificate(state)
	attack := func(tool string, args ...string) (string, error) {
		argv := append(v.client(tool, v.broker, certificate, filepath.Join(state, "identity", "key.pem")), "-d", "-q", "1", "-i", victim.Viewer)
		argv = append(argv, args...)
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		return string(out), err
	}
	// A wildcard is taken, and brings what this certificate may read.
	heard, _ := attack("mosquitto_sub", "-W", "1", "-t", protocol.Topic(victim.Viewer, "#"), "-t", protocol.Topic("+", protocol.KindDesired), "-t", "#")
	if strings.Contains(heard, "'"+protocol.Topic(victim.Viewer, "")) || !strings.Contains(heard, "'"+protocol.Topic(other.Viewer, protocol.KindDesired)) {
		t.Errorf("it hears:\n%s", heard)
	}
	for _, topic := range []string{
		protocol.Topic(victim.Viewer, protocol.KindReported), protocol.Topic(victim.Viewer, protocol.KindCommand),
		protocol.Topic(other.Viewer, protocol.KindCommand), protocol.Topic(other.Viewer, protocol.KindDesired),
	} {
		if out, _ := attack("mosquitto_pub", "-t", topic, "-m", "intruded"); !strings.Contains(out, "Not authorized") {
			t.Errorf("publishing on %s:\n%s", topic, out)
		}
	}
	v.order(victim.Viewer, `{"id": "last", "name": "identify"}`, expiring...)
	backend.result("last", protocol.ResultDone)
	for _, m := range backend.all() {
		if m.payload == "intruded" {
			t.Errorf("the broker took %+v", m)
		}
	}
	if s := status(t, page); !s.Session.Since.Equal(victim.Session.Since) || len(s.Faults) > 0 {
		t.Errorf("the other's session was disturbed: %+v", s)
	}
}

// certificate writes the certificate of a viewer's state folder into a file of its own, as other programs want it.
func (v *vendor) certificate(state string) string {
	v.t.Helper()
	data, err := os.ReadFile(filepath.Join(state, "identity", "enrolment.json"))
	if err != nil {
		v.t.Fatal(err)
	}
	var record protocol.EnrollResponse
	if err := json.Unmarshal(data, &record); err != nil {
		v.t.Fatal(err)
	}
	path := filepath.Join(v.t.TempDir(), "certificate.pem")
	if err := os.WriteFile(path, []byte(record.Certificate), 0o600); err != nil {
		v.t.Fatal(err)
	}
	return path
}

// Content is for viewers of the site: without a certificate there is enrolment, and nothing more. What a client says of its own
// certificate in a header counts for nothing.
func TestNginxRefusesStrangers(t *testing.T) {
	v, _ := stock(t)
	red := v.publish("red", color.RGBA{200, 0, 0, 255})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: v.roots()}}}
	defer client.CloseIdleConnections()
	certificate, err := os.ReadFile(v.etc + "/backend.pem")
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	for _, test := range []struct {
		method, path string
		body         any
	}{
		{http.MethodGet, "/v1/manifests/" + red.Digest.String(), nil},
		{http.MethodPost, protocol.PathEnroll, protocol.EnrollRequest{TokenID: "first", Secret: "wrong", CSR: csr, Name: "screen"}},
		{http.MethodPost, protocol.PathRenew, protocol.RenewRequest{CSR: csr}},
	} {
		body, err := json.Marshal(test.body)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequest(test.method, "https://"+v.web+test.path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Client-Cert", url.QueryEscape(string(certificate)))
		resp, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", test.path, resp.Status)
		}
	}
}

// roots is the site's CA.
func (v *vendor) roots() *x509.CertPool {
	v.t.Helper()
	data, err := os.ReadFile(v.etc + "/ca.pem")
	if err != nil {
		v.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return pool
}

// A viewer whose certificate expired in a cupboard: the broker ends the handshake with an alert, nginx lets it no further than the
// renewal, and the service renews what hasn't expired too long ago.
func TestMosquittoAndNginxAfterExpiry(t *testing.T) {
	t.Parallel()
	v := newVendor(t)
	v.enrol("-brokers", v.broker, "-https", v.web, "-life", "-1h", "-grace", "1m")
	v.nginx()
	v.mosquitto()
	state := t.TempDir()
	viewer, _ := view(t, state, v.etc+"/token", "--server", v.web)
	if said, _ := viewer.await("certificate can't be renewed")["err"].(string); !strings.Contains(said, "longer ago than this site allows") {
		t.Errorf("it says %q", said)
	}
	viewer.kill()
	v.enrolment.stop()
	v.enrol("-brokers", v.broker, "-https", v.web)
	_, page := view(t, state, "", "--server", v.web)
	awaitStatus(t, page, "connected", connected)
}

// One port for sessions and content, told apart by ALPN: the viewer knows nothing of it.
func TestNginxRoutesByALPN(t *testing.T) {
	v := newVendor(t)
	router := v.alpn()
	v.enrol("-brokers", router)
	v.nginx()
	v.mosquitto()
	backend := v.listen()
	_, page := view(t, t.TempDir(), v.etc+"/token", "--server", router)
	up := awaitStatus(t, page, "connected", connected)
	backend.presence(up.Viewer, true)
	v.desire(up.Viewer, v.publish("red", color.RGBA{200, 0, 0, 255}))
	got := awaitStatus(t, page, "playing", playing)
	if got.Session.Server != router || got.Session.State != protocol.StateConnected {
		t.Errorf("status %+v", got)
	}
}
