package vitrine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent/cli"
	"vitrine/agent/config"
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
	typed := strings.Join([]string{"Lobby, \"left\"", "a//b", "a/b", "portrait, café", "", "10.0.0.5, 10.0.0.6", "", "9 to 5", "MO, TU-FR 07:00-22:00, Sat 9:00-12:00, Sat 13:00-18:00", "", "10.0.0.20", "10.0.0.20/24", "10.0.0.1", "", "", "Shop", "short", "TOPSECRET", "NL", ""}, "\n")
	_, asked, code := on(t, typed, "provision", "new", "--out", dir)
	if code != 0 || strings.Count(asked, "Where it is") != 2 || !strings.Contains(asked, "network.address: \"10.0.0.20\": want \"dhcp\"") || !strings.Contains(asked, "8 to 63") || !strings.Contains(asked, "\"9 to 5\" are no hours") {
		t.Fatalf("exit code %d\n%s", code, asked)
	}
	path := filepath.Join(dir, "vitrine.toml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.ParseStick(data)
	if err != nil || c.Name != "Lobby, \"left\"" || len(c.Labels) != 2 || len(c.Servers) != 2 || c.Operating == nil || c.Network.Link.WiFi.Key.Reveal() != "TOPSECRET" || c.Network.Link.Gateway.String() != "10.0.0.1" {
		t.Errorf("%s\n%+v, %v", data, c, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("%v, %v", info, err)
	}
	if _, errs, code := on(t, "", "provision", "new", "--out", path, "--name", "b"); code != 1 || !strings.Contains(errs, "--force") {
		t.Errorf("a second time: %d, %s", code, errs)
	}
	said, _, code := on(t, "", "provision", "check", dir)
	for _, want := range []string{"Name       Lobby, \"left\"", "Location   a/b", "10.0.0.5:7237", "Hours      Mon-Fri 07:00-22:00, Sat 09:00-12:00 13:00-18:00, Sun closed, by the programme's time zone", "gateway 10.0.0.1", "wireless network \"Shop\"", "It isn't signed"} {
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
