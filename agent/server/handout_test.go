package server_test

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/server"
	"vitrine/content/digest"
	"vitrine/content/release"
)

// signRelease makes a folder with a release, and gives its digest.
func signRelease(t *testing.T, expires time.Duration) (folder string, d digest.Digest) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	program := []byte("program")
	document, err := release.Marshal(&release.Release{Format: 1, Version: "2.0", Made: time.Now().Add(-24 * time.Hour), Expires: time.Now().Add(expires), Programs: []release.Program{
		{Platform: release.Platform{OS: "linux", Arch: "amd64"}, File: "linux/vitrine", Size: int64(len(program)), Digest: digest.Of(program)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "linux"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"linux/vitrine": string(program), release.DocumentFile: string(document), release.SignatureFile: release.Sign(key, document)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder, digest.Of(document)
}

// awaitUpdate waits until a viewer is told to run a release, or none: the zero digest.
func (v *viewer) awaitUpdate(t *testing.T, want digest.Digest) protocol.Desired {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case d := <-v.desired:
			if d.Update != nil && d.Update.Digest == want {
				return d
			}
		case <-deadline:
			t.Fatalf("it isn't told to run %s", want)
		}
	}
}

// say has a viewer report.
func (v *viewer) say(r protocol.Reported) {
	r.Name = "x"
	v.says.Store(&r)
	v.Report()
}

// Viewers are told of a release with a higher revision; it is ended when too many fail, goes on when it is published again, and follows labels.
func TestUpdateIsHandedOut(t *testing.T) {
	state := t.TempDir()
	s, stop := start(t, config(t, state))
	var viewers []*viewer
	for _, name := range []string{"one", "two"} {
		v, _ := connect(t, enrolled(t, s, name), s.Addr().String(), nil)
		viewers = append(viewers, v)
	}
	first := viewers[0].awaitDesired(t)
	if first.Update != nil {
		t.Errorf("told of a release: %+v", first.Update)
	}
	control := server.NewControl(state)
	tell := func(err error) server.UpdateStatus {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		status, err := control.UpdateStatus(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	if _, err := control.UpdateStatus(t.Context(), false); err == nil || !strings.Contains(err.Error(), "no release was published") {
		t.Errorf("status without one: %v", err)
	}
	old, _ := signRelease(t, -time.Hour)
	if _, err := s.Site().PublishUpdate(old, server.Stage{Percent: 100}); err == nil || !strings.Contains(err.Error(), "its time was over") {
		t.Errorf("one whose time is over is published: %v", err)
	}
	folder, d := signRelease(t, time.Hour)
	_, err := s.Site().PublishUpdate(folder, server.Stage{Percent: 100})
	if status := tell(err); status.Chosen != 2 || status.Devices != 2 {
		t.Errorf("%+v", status)
	}
	for _, v := range viewers {
		if got := v.awaitUpdate(t, d); got.Rev <= first.Rev || got.Manifest.Digest != first.Manifest.Digest {
			t.Errorf("%+v after %+v", got, first)
		}
		v.say(protocol.Reported{Update: &protocol.UpdateStatus{Release: d, State: protocol.UpdateFailed, Error: "it crashed"}})
	}
	for _, v := range viewers {
		v.awaitUpdate(t, digest.Digest{})
	}
	status, err := control.UpdateStatus(t.Context(), false)
	if err != nil || !strings.Contains(status.Halted, "2 of the 2") || len(status.Problems) != 2 {
		t.Errorf("%+v, %v", status, err)
	}
	_, err = s.Site().ChangeUpdate(server.Stage{Percent: 100, Labels: []string{"test"}})
	if status := tell(err); status.Halted != "" || status.Chosen != 0 {
		t.Errorf("%+v", status)
	}
	viewers[0].say(protocol.Reported{Labels: []string{"test"}})
	got := viewers[0].awaitUpdate(t, d)
	_, err = s.Site().WithdrawUpdate()
	tell(err)
	if none := viewers[0].awaitUpdate(t, digest.Digest{}); none.Rev <= got.Rev {
		t.Errorf("%+v after %+v", none, got)
	}

	// All that is known after a start.
	stop()
	if again, err := s.Site().Update(); err != nil || !again.Withdrawn || again.Release.Digest != d {
		t.Errorf("%+v, %v", again, err)
	}
	s, _ = start(t, config(t, state))
	v, _ := connect(t, enrolled(t, s, "three"), s.Addr().String(), nil)
	v.awaitUpdate(t, digest.Digest{})
}
