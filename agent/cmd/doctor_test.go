package cmd_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent/doctor"
	"vitrine/agent/protocol"
)

// unpack gives the files of an archive for support.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(packed); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "vitrine-support/")] = string(text)
	}
}

// findings are those of a report, by their checks.
func findings(t *testing.T, report string) map[string]doctor.Finding {
	t.Helper()
	var r doctor.Report
	if err := json.Unmarshal([]byte(report), &r); err != nil {
		t.Fatalf("%v\n%s", err, report)
	}
	all := map[string]doctor.Finding{}
	for _, f := range r.Findings {
		all[f.Check] = f
	}
	return all
}

// The doctor from the server, on the machine, and on one whose viewer doesn't run: each says what it sees, and no archive has a secret in it.
func TestDoctor(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	token, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := protocol.ParseJoinToken(string(token))
	if err != nil {
		t.Fatal(err)
	}
	state := shortDir(t)
	settings := filepath.Join(t.TempDir(), "vitrine.toml")
	text := `name = "screen"
token = "` + strings.TrimSpace(string(token)) + `"
# token = "vitrine1.OLD.OLD.OLDSECRET"
servers = ["` + addr + `"]
state = "` + state + `"
page = "127.0.0.1:0"
[network]
proxy = "http://lobby:PROXY%20SECRET@127.0.0.1:1"
no_proxy = ["127.0.0.0/8"]
[wake]
ports = [17009]
password = "10.20.30.40"
`
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets := []string{parsed.Secret.Reveal(), "OLDSECRET", "SECRET@", "PROXY SECRET", "PROXY%20SECRET", "10.20.30.40", "PRIVATE KEY"}
	check := func(archive string, want ...string) map[string]string {
		t.Helper()
		files := unpack(t, archive)
		for name, text := range files {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %s has the secret %q:\n%s", name, archive, secret, text)
				}
			}
		}
		for _, name := range want {
			if files[name] == "" {
				t.Errorf("%s has no %s", archive, name)
			}
		}
		return files
	}

	viewer := start(t, nil, "vitrine", "run", "--config", settings)
	message, _ := viewer.await("The player page is ready")["msg"].(string)
	_, page, _ := strings.Cut(message, "http://")
	page, _, _ = strings.Cut(page, "/")
	awaitStatus(t, page, "connected", connected)

	bundle := filepath.Join(t.TempDir(), "server.tar.gz")
	out, errs, code := run(t, "vitrine-server", "viewers", "doctor", "screen", "--state", s.state, "--bundle", bundle, "--json")
	if code != 1 || !strings.Contains(errs, "fail") {
		t.Errorf("exit code %d, though no browser shows the page: %s", code, errs)
	}
	found := findings(t, out)
	for name, want := range map[string]doctor.State{"viewer": doctor.OK, "port 7237/tcp": doctor.OK, "certificate": doctor.OK, "port 17009/udp": doctor.OK, "browser": doctor.Failing, "proxy": doctor.Failing} {
		if found[name].State != want {
			t.Errorf("%s: %+v, want %s", name, found[name], want)
		}
	}
	files := check(bundle, "status.json", "log.txt", "metrics.txt", "vitrine.toml", "versions.txt", "doctor.json", "doctor.txt")
	if !strings.Contains(files["log.txt"], "Enrolled") || !strings.Contains(files["vitrine.toml"], `servers = ["`+addr) {
		t.Errorf("%v", files)
	}

	here := filepath.Join(t.TempDir(), "here.tar.gz")
	out, _, _ = run(t, "vitrine", "doctor", "--config", settings, "--bundle", here, "--json")
	if got := findings(t, out)["certificate"]; got.State != doctor.OK {
		t.Errorf("on the machine: %+v", got)
	}
	check(here, "log.txt", "metrics.txt")

	viewer.kill()
	out, _, code = run(t, "vitrine", "doctor", "--config", settings, "--bundle", here, "--json")
	found = findings(t, out)
	if code != 1 || found["viewer"].State != doctor.Failing || found["port 7237/tcp"].State != doctor.OK || found["certificate"].State != doctor.OK {
		t.Errorf("stopped: exit code %d, %+v", code, found)
	}
	check(here, "vitrine.toml", "versions.txt", "doctor.txt")

	// A mistake in the settings is one of the findings, and its file goes into the archive as far as it has no secrets.
	if err := os.WriteFile(settings, []byte("nmae = 1\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, _ = run(t, "vitrine", "doctor", "--config", settings, "--bundle", here, "--json")
	if got := findings(t, out)["settings"]; got.State != doctor.Failing || !strings.Contains(got.Message, "line 1") {
		t.Errorf("bad settings: %+v", got)
	}
	if files := check(here, "vitrine.toml"); !strings.Contains(files["vitrine.toml"], "nmae") {
		t.Errorf("%v", files)
	}
}
