package vitrine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/agent/provision"
)

// on runs a command line in which somebody types.
func on(t *testing.T, typed string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env := cli.Env{Args: args, Stdout: &out, Stderr: &errs, Stdin: strings.NewReader(typed), Asks: typed != ""}
	code = cli.Main(t.Context(), Program(), env)
	return out.String(), errs.String(), code
}

// Whoever is asked gets a file that can be used; an answer that can't be is asked for again, and nothing is replaced unasked.
func TestProvisionNewAsks(t *testing.T) {
	dir := t.TempDir()
	typed := strings.Join([]string{"Lobby, \"left\"", "a//b", "a/b", "portrait, café", "", "10.0.0.5, 10.0.0.6", "", "9 to 5", "MO, TU-FR 07:00-22:00, Sat 9:00-12:00, Sat 13:00-18:00", "left", "90", "", "10.0.0.20", "10.0.0.20/24", "10.0.0.1", "", "", "Shop", "short", "TOPSECRET", "nl", ""}, "\n")
	_, asked, code := on(t, typed, "provision", "new", "--out", dir)
	if code != 0 || strings.Count(asked, "Where it is") != 2 || !strings.Contains(asked, "network.address: \"10.0.0.20\": want \"dhcp\"") || !strings.Contains(asked, "8 to 63") || !strings.Contains(asked, "rotation: want a whole number") || !strings.Contains(asked, "\"9 to 5\" are no hours") {
		t.Fatalf("exit code %d\n%s", code, asked)
	}
	path := filepath.Join(dir, "vitrine.toml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.ParseStick(data)
	if err != nil || c.Name != "Lobby, \"left\"" || len(c.Labels) != 2 || len(c.Servers) != 2 || c.Operating == nil || c.Network.Link.WiFi.Key.Reveal() != "TOPSECRET" || c.Network.Link.Gateway.String() != "10.0.0.1" ||
		c.Network.Link.WiFi.Country != "NL" || c.Screen.Rotation != 90 {
		t.Errorf("%s\n%+v, %v", data, c, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	if _, errs, code := on(t, "", "provision", "new", "--out", path, "--name", "b"); code != 1 || !strings.Contains(errs, "--force") {
		t.Errorf("a second time: %d, %s", code, errs)
	}
	said, _, code := on(t, "", "provision", "check", dir)
	for _, want := range []string{"Name       Lobby, \"left\"", "Location   a/b", "10.0.0.5:7237", "Hours      Mon-Fri 07:00-22:00, Sat 09:00-12:00 13:00-18:00, Sun closed, by the programme's time zone", "Rotation   the picture is turned by 90 degrees", "gateway 10.0.0.1", "wireless network \"Shop\"", "It isn't signed"} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("exit code %d, and %q is not in\n%s", code, want, said)
		}
	}
	if strings.Contains(said, "TOPSECRET") || strings.Contains(said, "Also") {
		t.Errorf("it says\n%s", said)
	}
	if _, errs, code := on(t, "Lobby\n", "provision", "new", "--out", filepath.Join(dir, "b.toml")); code != 1 || !strings.Contains(errs, "nothing is written") {
		t.Errorf("interrupted: %d, %s", code, errs)
	}
}

func TestProvisionCheck(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.toml")
	if err := os.WriteFile(path, []byte("\ufeffname = \"a\"\r\nnetwork.proxy = \"http://a:TOPSECRET@10.0.0.1:3128\"\r\nsession.keepalive = 20\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, errs, code := on(t, "", "provision", "check", path); code != 0 || strings.Contains(said, "TOPSECRET") || !strings.Contains(said, "Also       session.keepalive\n") {
		t.Errorf("%d, %s%s", code, said, errs)
	}
	if said, _, code := on(t, "", "provision", "check", "--json", path); code != 0 || !strings.Contains(said, `"network.proxy"`) || !strings.Contains(said, `"signature": null`) {
		t.Errorf("%d, %s", code, said)
	}
	if err := os.WriteFile(path, []byte("name = \"a\"\nlog = “info”\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := on(t, "", "provision", "check", path); code != 1 || !strings.Contains(errs, "a.toml, line 2, column 7: “ is a curly quote") {
		t.Errorf("%d, %s", code, errs)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := on(t, "", "provision", "check", path); code != 1 || !strings.Contains(errs, "a.toml, there are no settings in it") {
		t.Errorf("%d, %s", code, errs)
	}
	if _, errs, code := on(t, "", "provision", "check", dir); code != 1 || !strings.Contains(errs, "there is no vitrine.toml") {
		t.Errorf("%d, %s", code, errs)
	}
}

// Options make a file as answers do, and what is wrong with them is said of no file's line.
func TestProvisionNewOptions(t *testing.T) {
	text, errs, code := on(t, "", "provision", "new", "--out", "-", "--ca-file", "ca.pem", "--rotation", "270", "--ssid", "Shop", "--wifi-key", "TOPSECRET", "--country", "nl")
	c, err := config.ParseStick([]byte(text))
	if code != 0 || err != nil || c.Screen.Rotation != 270 || !slices.Equal(c.Network.CAFiles, []string{"ca.pem"}) || c.Network.Link.WiFi.Country != "NL" {
		t.Errorf("%d, %s, %v\n%s", code, errs, err, text)
	}
	gone := filepath.Join(t.TempDir(), "gone", "v.toml")
	for _, c := range []struct {
		want  string
		typed string
		args  []string
	}{
		{"these settings make no file: network.address: a gateway or dns needs", "", []string{"--gateway", "10.0.0.1"}},
		{gone + ": ", "", []string{"--name", "a", "--out", gone}},
		{"there is no setting; nothing is written", strings.Repeat("\n", len(questions)), []string{"--out", t.TempDir()}},
	} {
		_, errs, code := on(t, c.typed, append([]string{"provision", "new"}, c.args...)...)
		if code != 1 || !strings.Contains(errs, c.want) || strings.Contains(errs, "line 1") || strings.Contains(errs, ".tmp-") {
			t.Errorf("%v: %d, %s", c.args, code, errs)
		}
	}
}

// Signing is the server's.
func TestProvisionSignIsElsewhere(t *testing.T) {
	const want = "`vitrine-server provision sign FILE`"
	if said, _, code := on(t, "", "provision", "--help"); code != 0 || !strings.Contains(said, want) {
		t.Errorf("%d, %s", code, said)
	}
	for _, args := range [][]string{{"a.toml"}, nil, {"--state", "/srv", "a.toml"}} {
		if _, errs, code := on(t, "", append([]string{"provision", "sign"}, args...)...); code != cli.ExitUsage || !strings.Contains(errs, want) {
			t.Errorf("%v: %d, %s", args, code, errs)
		}
	}
}

// What a signature is good for is over at some time, which is no success.
func TestProvisionCheckSignature(t *testing.T) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.toml")
	for _, c := range []struct {
		left time.Duration
		code int
		said string
	}{{time.Hour, 0, ""}, {-time.Hour, 1, "sign it again"}} {
		data, err := provision.Sign([]byte("name = \"a\"\n[network]\nca = \"\"\"\n"+authority(t)+"\"\"\"\n"), key, "shop", 7, time.Now().Add(c.left))
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		said, errs, code := on(t, "", "provision", "check", path)
		if code != c.code || !strings.Contains(errs, c.said) || strings.Contains(said, "which is over") != (c.code == 1) || !strings.Contains(said, "CA         this file: believed") || strings.Contains(said, "Also") {
			t.Errorf("%v: %d, %s\n%s", c.left, code, errs, said)
		}
		if said, _, code := on(t, "", "provision", "check", "--json", path); code != c.code || !strings.Contains(said, `"serial": 7`) {
			t.Errorf("%v: %d, %s", c.left, code, said)
		}
	}
}

// authority is the certificate of a CA.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
