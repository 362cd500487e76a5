package cmd_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// tree lists what is below a folder.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		list = append(list, path)
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return list
}

// Each mistake must be named with what to do about it, and leave the disk as it was.
func TestMistakesChangeNothing(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("name = \"a\"\nnmae = 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fresh := shortDir(t)
	noCA := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(noCA, []byte("[network]\nca_files = ["+strconv.Quote(file)+"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		program string
		args    []string
		code    int
		want    []string
	}{
		"media folder missing":      {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", fresh + "/none", "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0"}, 1, []string{"media folder", fresh + "/none"}},
		"media is a file":           {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", file}, 1, []string{"is a file"}},
		"media not given":           {"vitrine-server", []string{"run", "--state", fresh + "/s"}, 2, []string{"--media"}},
		"server's state below file": {"vitrine-server", []string{"run", "--state", file + "/x", "--media", s.media, "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0"}, 1, []string{"state folder", "--state"}},
		"bad site name":             {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--site", "My Site", "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0"}, 1, []string{"My Site", "lower-case"}},
		"other site's folder":       {"vitrine-server", []string{"run", "--state", s.state, "--media", s.media, "--site", "other", "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0"}, 1, []string{"e2e", "other"}},
		"server's port taken":       {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--listen", taken.Addr().String()}, 1, []string{taken.Addr().String(), "in use", "--listen"}},
		"second server":             {"vitrine-server", []string{"run", "--state", s.state, "--media", s.media, "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0"}, 1, []string{"another server is running"}},
		"browser port taken":        {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0", "--view", taken.Addr().String()}, 1, []string{taken.Addr().String(), "in use", "--view"}},
		"no browser address":        {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--view", "8443"}, 2, []string{"--view", ":8443"}},
		"certificate without key":   {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--view", ":8443", "--view-cert", file}, 2, []string{"--view-key"}},
		"no such certificate":       {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--listen", "127.0.0.1:0", "--ntp", "127.0.0.1:0", "--view", "127.0.0.1:0", "--view-cert", file, "--view-key", file}, 1, []string{"certificate for browsers", file}},
		"link without browser port": {"vitrine-server", []string{"viewers", "link", "tv", "--state", s.state}, 1, []string{"--view"}},
		"link of no server":         {"vitrine-server", []string{"viewers", "link", "tv", "--state", fresh}, 1, []string{"no site", "--state"}},
		"tokens of no site":         {"vitrine-server", []string{"token", "list", "--state", fresh}, 1, []string{"no site", "--state"}},
		"unknown token":             {"vitrine-server", []string{"token", "revoke", "abc", "--state", s.state}, 1, []string{"abc", "token list"}},
		"settings misspelt":         {"vitrine-server", []string{"provision", "sign", "--state", s.state, file}, 1, []string{file, "line 2, column 1", "nmae"}},
		"signed by no site":         {"vitrine-server", []string{"provision", "sign", "--state", fresh, noCA}, 1, []string{"no site", "--state"}},
		"release of nothing":        {"vitrine-server", []string{"release", "sign", s.media, "--key", file}, 1, []string{"is not a key of"}},
		"release without a key":     {"vitrine-server", []string{"release", "sign", s.media}, 2, []string{"--key"}},
		"key that is there":         {"vitrine-server", []string{"release", "new-key", file}, 1, []string{file, "never overwritten"}},
		"update that isn't signed":  {"vitrine-server", []string{"update", "publish", s.media, "--state", s.state}, 1, []string{"release.json", "release sign"}},
		"update for nobody":         {"vitrine-server", []string{"update", "publish", s.media, "--state", s.state, "--percent", "0"}, 2, []string{"--percent"}},
		"no update to withdraw":     {"vitrine-server", []string{"update", "withdraw", "--state", s.state}, 1, []string{"no release was published"}},
		"signed for no time":        {"vitrine-server", []string{"provision", "sign", "--state", s.state, "--valid", "0", noCA}, 2, []string{"--valid"}},
		"unknown viewer":            {"vitrine-server", []string{"viewers", "identify", "nobody", "--state", s.state}, 1, []string{"nobody", "viewers list"}},
		"unknown viewer revoked":    {"vitrine-server", []string{"viewers", "revoke", "nobody", "--state", s.state}, 1, []string{"nobody", "viewers list"}},
		"bad new name":              {"vitrine-server", []string{"viewers", "rename", "nobody", " x", "--state", s.state}, 1, []string{"without space around"}},
		"certificate of no days":    {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--certificate-days", "0"}, 2, []string{"--certificate-days"}},
		"bad location":              {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--location", "a//b"}, 2, []string{"--location", "building-a/floor-2"}},
		"bad priority":              {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--priority", "-1"}, 2, []string{"--priority", "65535"}},
		"bad network of probes":     {"vitrine-server", []string{"run", "--state", fresh + "/s", "--media", s.media, "--probes-from", "10.0.0.5"}, 2, []string{"--probes-from", "10.2.0.0/16"}},
		"large network":             {"vitrine", []string{"discover", "--host", "10.0.0.0/8"}, 2, []string{"--host", "more than 256"}},
		"bad proxy":                 {"vitrine", []string{"discover", "--proxy", "http://x/"}, 2, []string{"--proxy", "want a name"}},
		"everything and one type":   {"vitrine", []string{"discover", "--all", "--viewers"}, 2, []string{"contradict"}},
		"source port too large":     {"vitrine", []string{"discover", "--source-port", "70000"}, 2, []string{"--source-port", "65535"}},
		"viewer's state below file": {"vitrine", []string{"run", "--state", file + "/x", "--page", "127.0.0.1:0"}, 1, []string{"state folder", "--state"}},
		"page port taken":           {"vitrine", []string{"run", "--state", fresh + "/v1", "--page", taken.Addr().String()}, 1, []string{taken.Addr().String(), "in use"}},
		"page not on loopback":      {"vitrine", []string{"run", "--state", fresh + "/v2", "--page", "0.0.0.0:7238"}, 1, []string{"loopback"}},
		"token file missing":        {"vitrine", []string{"run", "--state", fresh + "/v", "--token-file", fresh + "/none"}, 1, []string{fresh + "/none"}},
		"token damaged":             {"vitrine", []string{"run", "--state", fresh + "/v", "--token", "vitrine1.abc.def"}, 1, []string{"token create"}},
		"misspelt setting":          {"vitrine", []string{"run", "--state", fresh + "/v", "--config", file}, 1, []string{file, "line 2", "nmae"}},
		"settings missing":          {"vitrine", []string{"run", "--config", fresh + "/none.toml"}, 1, []string{"none.toml"}},
		"stick's settings wrong":    {"vitrine", []string{"provision", "check", file}, 1, []string{file, "line 2, column 1", "nmae"}},
		"no stick's settings":       {"vitrine", []string{"provision", "check", fresh}, 1, []string{fresh, "there is no vitrine.toml"}},
		"nobody to ask":             {"vitrine", []string{"provision", "new", "--out", fresh + "/new.toml"}, 2, []string{"nobody to ask", "--name"}},
		"settings that make none":   {"vitrine", []string{"provision", "new", "--out", fresh + "/new.toml", "--address", "10.0.0.5"}, 1, []string{"network.address", "10.0.0.20/24"}},
		"no image":                  {"vitrine", []string{"flash", "--yes", fresh + "/none.img", file}, 1, []string{"none.img"}},
		"image that is none":        {"vitrine", []string{"flash", "--yes", noCA, file}, 1, []string{noCA, "isn't the image of a disk"}},
		"no device":                 {"vitrine", []string{"flash", "--yes", file, fresh + "/sdx"}, 1, []string{"there is no " + fresh + "/sdx", "lists"}},
		"no disk":                   {"vitrine", []string{"flash", "--yes", file, "/dev/null"}, 1, []string{"/dev/null", "neither a disk nor a file"}},
		"image onto itself":         {"vitrine", []string{"flash", "--yes", file, file}, 1, []string{file, "lost"}},
		"nobody agrees":             {"vitrine", []string{"flash", file, noCA}, 2, []string{"nobody to ask", "--yes"}},
		"card with bad settings":    {"vitrine", []string{"flash", "--yes", "--settings", file, noCA, fresh}, 1, []string{file, "line 2, column 1"}},
		"settings for no card":      {"vitrine", []string{"flash", "--settings", file}, 2, []string{"--settings", "DEVICE"}},
		"unknown option":            {"vitrine", []string{"run", "--colour"}, 2, []string{"colour", "--help"}},
		"unknown command":           {"vitrine", []string{"paly"}, 2, []string{"paly", "--help"}},
		"no command":                {"vitrine", nil, 2, []string{"discover", "status"}},
		"screenshot of no viewer":   {"vitrine", []string{"screenshot", "--page", "127.0.0.1:1"}, 1, []string{"127.0.0.1:1", "vitrine run"}},
		"screenshot of two":         {"vitrine", []string{"screenshot", "--page", "127.0.0.1:1", "--state", fresh}, 2, []string{"--page", "--state"}},
		"no viewer runs":            {"vitrine", []string{"status", "--page", "127.0.0.1:1"}, 1, []string{"127.0.0.1:1", "vitrine run"}},
		"status of something else":  {"vitrine", []string{"status", "--page", addr}, 1, []string{addr}},
		"no NTP server":             {"vitrine", []string{"time", "--samples", "1", "--server", "127.0.0.1:1"}, 1, []string{"127.0.0.1:1"}},
		"service of nobody":         {"vitrine", []string{"service", "install", "--user", ""}, 2, []string{"--user", "such as vitrine"}},
		"yes to nothing":            {"vitrine", []string{"service", "uninstall", "--yes"}, 2, []string{"--purge"}},
		"purge without a person":    {"vitrine", []string{"service", "uninstall", "--purge"}, 2, []string{"--yes"}},
		"doctor for nobody":         {"vitrine-server", []string{"viewers", "doctor", "nobody", "--state", s.state}, 1, []string{"nobody", "viewers list"}},
		"bundle into nowhere":       {"vitrine", []string{"doctor", "--state", fresh + "/none", "--bundle", fresh + "/none/x.tar.gz"}, 1, []string{fresh + "/none/x.tar.gz"}},
		"bad MAC":                   {"vitrine", []string{"wake", "00:11:22"}, 2, []string{"00:11:22"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Concat(tree(t, fresh), tree(t, s.state))
			_, errs, code := run(t, c.program, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(errs, want) {
					t.Errorf("the message doesn't have %q:\n%s", want, errs)
				}
			}
			if strings.Contains(errs, "panic") || strings.Contains(errs, "goroutine ") {
				t.Errorf("it crashed:\n%s", errs)
			}
			if after := slices.Concat(tree(t, fresh), tree(t, s.state)); !slices.Equal(before, after) {
				t.Errorf("the disk changed:\n%v\n%v", before, after)
			}
		})
	}
}

// A viewer that isn't let in says why, and has nothing of the site on its disk.
func TestRefusedEnrolment(t *testing.T) {
	s := newSite(t)
	_, addr := s.serve(t, "127.0.0.1:0")
	other := newSite(t)
	mustRun(t, "vitrine-server", "token", "create", "--state", other.state)
	good, err := os.ReadFile(s.token(t))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(other.token(t))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := protocol.ParseJoinToken(string(good))
	if err != nil {
		t.Fatal(err)
	}
	wrongSecret := parsed
	wrongSecret.Secret = protocol.NewSecret(strings.Repeat("A", 32))
	for name, c := range map[string]struct{ token, want string }{
		"wrong secret":     {wrongSecret.Reveal(), "not known here"},
		"other site's CA":  {string(foreign), "CA is not the one in the join token"},
		"token used twice": {oneUse(t, s, addr), "used up: it was good for 1"},
	} {
		t.Run(name, func(t *testing.T) {
			state, file := t.TempDir(), ""
			if c.token != "" {
				file = filepath.Join(t.TempDir(), "token")
				if err := os.WriteFile(file, []byte(c.token), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, page := view(t, state, file, "--server", addr)
			got := awaitStatus(t, page, "told why", func(s agent.Status) bool { return strings.Contains(s.Session.Error, c.want) })
			if got.Viewer != "" || got.Session.State == protocol.StateConnected {
				t.Errorf("status %+v", got)
			}
			if _, err := os.Stat(filepath.Join(state, "identity", "enrolment.json")); err == nil {
				t.Error("an enrolment was kept")
			}
		})
	}
}

// oneUse makes a token for one viewer and uses it.
func oneUse(t *testing.T, s site, addr string) string {
	t.Helper()
	token := strings.TrimSpace(mustRun(t, "vitrine-server", "token", "create", "--uses", "1", "--state", s.state))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	viewer, _ := view(t, t.TempDir(), file, "--server", addr)
	viewer.await("Enrolled at site")
	viewer.kill()
	return token
}
