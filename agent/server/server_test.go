package server_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/agent/session"
	"vitrine/content/manifest"
)

// sessionIdentity is an identity as the session sees it.
type sessionIdentity struct{ *identity.Identity }

func (s sessionIdentity) Viewer() (string, bool) {
	e, ok := s.Enrolment()
	return e.Viewer, ok
}

func (s sessionIdentity) Renew(ctx context.Context, addr string) error {
	return s.Identity.Renew(ctx, addr, protocol.Device{Model: "renewed"}, now)
}

func (s sessionIdentity) TLS(protocols ...string) (*tls.Config, error) {
	return s.ClientTLS(now, protocols...)
}

func (s sessionIdentity) Enrol(context.Context, string) error { return errors.New("not here") }

// get fetches a path as a viewer, over a connection with these ALPN protocols.
func get(t *testing.T, id *identity.Identity, addr, path string, protocols ...string) (int, string) {
	t.Helper()
	config, err := id.ClientTLS(now, protocols...)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   config,
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// The whole exchange: enrol, session, wish, manifest with a valid signature, asset, on one port.
func TestViewerGetsItsProgramme(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	addr := s.Addr().String()
	id := enrolled(t, s, "lobby")
	v, _ := connect(t, id, addr, nil)
	v.await(t, protocol.StateConnected)
	d := v.awaitDesired(t)
	if d.Manifest == nil || d.Rev != 1 || len(d.Servers) != 1 || d.Servers[0].NTP == 0 {
		t.Fatalf("desired %+v", d)
	}
	for _, alpn := range []string{"http/1.1", "h2", ""} {
		var protocols []string
		if alpn != "" {
			protocols = []string{alpn}
		}
		status, body := get(t, id, addr, protocol.PathManifests+d.Manifest.Digest.String(), protocols...)
		if status != http.StatusOK || int64(len(body)) != d.Manifest.Size {
			t.Fatalf("ALPN %q: status %d, %d bytes", alpn, status, len(body))
		}
		e, _ := id.Enrolment()
		if err := manifest.Verify(e.PublishingKey, []byte(body), d.Manifest.Signature); err != nil {
			t.Error(err)
		}
		m, err := manifest.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if status, body := get(t, id, addr, protocol.PathAssets+m.Used()[0].String(), protocols...); status != http.StatusOK || body != onePixel {
			t.Errorf("ALPN %q: asset: status %d, %d bytes", alpn, status, len(body))
		}
	}
	if status, body := get(t, id, addr, protocol.PathAssets+"sha256:xyz", "http/1.1"); status != http.StatusBadRequest || !strings.Contains(body, "digest") {
		t.Errorf("bad digest: %d %s", status, body)
	}
}

func TestContentIsForViewersOnly(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + s.Addr().String() + protocol.PathAssets + "sha256:00")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a certificate: %s", resp.Status)
	}
	other, _ := start(t, config(t, t.TempDir()))
	stranger := enrolled(t, other, "stranger")
	config, err := stranger.ClientTLS(func() (time.Time, bool) { return time.Now(), false })
	if err != nil {
		t.Fatal(err)
	}
	config.VerifyConnection = nil // it must be the server that refuses
	conn, err := tls.Dial("tcp", s.Addr().String(), config)
	if err == nil {
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with another site's certificate: %v", err)
	}
}

func TestNoPlaintextAndNoOldTLS(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc")); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	if len(answer) > 0 && answer[0] == 0x20 {
		t.Errorf("a plaintext session was accepted: %x", answer)
	}
	_, err = tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

func TestCommandRunsOnceAndAnswers(t *testing.T) {
	state := t.TempDir()
	s, _ := start(t, config(t, state))
	ran := make(chan string, 4)
	v, stop := connect(t, enrolled(t, s, "lobby"), s.Addr().String(), map[string]session.Handler{
		protocol.CommandIdentify: func(context.Context, json.RawMessage) (session.Outcome, error) {
			ran <- "identify"
			return session.Outcome{}, nil
		},
		protocol.CommandRefresh: func(context.Context, json.RawMessage) (session.Outcome, error) {
			return session.Outcome{}, errors.New("the disk is full")
		},
	})
	v.await(t, protocol.StateConnected)
	control := server.NewControl(state)
	awaitOnline(t, control, true)

	r, err := control.Command(t.Context(), "lobby", protocol.CommandIdentify, nil)
	if err != nil || r.State != protocol.ResultDone || len(ran) != 1 {
		t.Errorf("identify: %+v, %v, ran %d times", r, err, len(ran))
	}
	r, err = control.Command(t.Context(), "lobby", protocol.CommandRefresh, nil)
	if err != nil || r.State != protocol.ResultFailed || r.Error != "the disk is full" {
		t.Errorf("refresh: %+v, %v", r, err)
	}
	r, err = control.Command(t.Context(), "lobby", "dance", nil)
	if err != nil || r.State != protocol.ResultFailed || !strings.Contains(r.Error, "dance") {
		t.Errorf("unknown command: %+v, %v", r, err)
	}
	if _, err := control.Command(t.Context(), "nobody", protocol.CommandIdentify, nil); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("unknown viewer: %v", err)
	}
	stop()
	awaitOnline(t, control, false)
	if _, err := control.Command(t.Context(), "lobby", protocol.CommandIdentify, nil); err == nil || !strings.Contains(err.Error(), "offline") {
		t.Errorf("offline viewer: %v", err)
	}
}

// awaitOnline waits until the one viewer is online or not. The will of a session that ended comes after 5 s.
func awaitOnline(t *testing.T, c *server.Control, want bool) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		viewers, err := c.Viewers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(viewers) == 1 && viewers[0].Online == want {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("online is not %v: %+v", want, viewers)
		}
	}
}

func TestNewPictureIsPublishedAtOnce(t *testing.T) {
	c := config(t, t.TempDir())
	s, _ := start(t, c)
	id := enrolled(t, s, "lobby")
	v, _ := connect(t, id, s.Addr().String(), nil)
	first := v.awaitDesired(t)
	// A byte behind the end of a PNG makes another file that is still one.
	if err := os.WriteFile(filepath.Join(c.Media, "b.png"), []byte(onePixel+"x"), 0o644); err != nil {
		t.Fatal(err)
	}
	second := v.awaitDesired(t)
	for second.Rev == first.Rev {
		second = v.awaitDesired(t)
	}
	_, body := get(t, id, s.Addr().String(), protocol.PathManifests+second.Manifest.Digest.String(), "http/1.1")
	m, err := manifest.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Schedule.Events) != 1 || len(m.Used()) != 2 {
		t.Errorf("the new picture has no event of its own: %s", body)
	}
}

// A restart must not make a new programme of the same folder, and the revision must not start again.
func TestRestartKeepsProgrammeAndViewers(t *testing.T) {
	c := config(t, t.TempDir())
	s, stop := start(t, c)
	id := enrolled(t, s, "lobby")
	v, stopViewer := connect(t, id, s.Addr().String(), nil)
	before := v.awaitDesired(t)
	stopViewer()
	stop()
	s, _ = start(t, c)
	v, _ = connect(t, id, s.Addr().String(), nil)
	after := v.awaitDesired(t)
	if after.Rev != before.Rev || *after.Manifest != *before.Manifest {
		t.Errorf("desired %+v, then %+v", before, after)
	}
}

func TestSessionComesBack(t *testing.T) {
	c := config(t, t.TempDir())
	s, stop := start(t, c)
	c.Listen = s.Addr().String()
	v, _ := connect(t, enrolled(t, s, "lobby"), c.Listen, nil)
	v.await(t, protocol.StateConnected)
	stop()
	lost := v.await(t, protocol.StateOffline)
	if lost.Error == "" {
		t.Error("nothing says why the session was lost")
	}
	start(t, c)
	if back := v.await(t, protocol.StateConnected); back.Error != "" {
		t.Errorf("the old error stays: %+v", back)
	}
}
