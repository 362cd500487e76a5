package provision_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/provision"
	"vitrine/platform/flash"
)

// stick makes a folder with files.
func stick(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// authority is the certificate of a CA.
func authority(t testing.TB) string {
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

func TestFind(t *testing.T) {
	ca := authority(t)
	for name, files := range map[string]map[string]string{
		"as it should be":   {"vitrine.toml": "name = \"a\"\n"},
		"as FAT has it":     {"VITRINE.TOML": "name = \"a\"\r\n", "readme.txt": ""},
		"Notepad's":         {"vitrine.toml.txt": "\ufeffname = \"a\"\r\n"},
		"the better of two": {"vitrine.toml.txt": "nonsense", "Vitrine.toml": "name = \"a\"\n"},
		"with a file":       {"vitrine.toml": "name = \"a\"\nnetwork.ca_files = [\"ca.pem\"]\n", "ca.pem": ca},
	} {
		f, err := provision.Find(stick(t, files))
		if err != nil || f.Config.Name != "a" || len(f.Files) != len(files)-1 && name == "with a file" {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	for name, files := range map[string]map[string]string{
		"others'":     {"readme.txt": "", "Cargo.toml": "", ".vitrine.toml": "", "a/b/vitrine.toml": "", provision.ReportName: ""},
		"thrown away": {"$RECYCLE.BIN/vitrine.toml": "", ".Trashes/vitrine.toml": ""},
	} {
		if _, err := provision.Find(stick(t, files)); err != provision.ErrNone {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"downloaded twice": {map[string]string{"vitrine (1).toml": "name = \"a\"\n", "vitrine-report.txt": ""}, `this stick; there is "vitrine (1).toml": rename it to vitrine.toml`},
		"a Mac's":          {map[string]string{"vitrine.toml.rtf": "{", "._vitrine.toml": ""}, `there is "vitrine.toml.rtf": save it as plain text, as vitrine.toml`},
		"in a folder":      {map[string]string{".Trashes/vitrine.toml": "", "$RECYCLE.BIN/vitrine.toml": "", "Lobby/VITRINE.TOML": ""}, `there is "Lobby/VITRINE.TOML": move it to the root of the stick, as vitrine.toml`},
		"wrong line":       {map[string]string{"VITRINE.TOML": "\r\nname = 7\r\n"}, "VITRINE.TOML, line 2, column 8"},
		"too long":         {map[string]string{"vitrine.toml": strings.Repeat("#", config.MaxSize+1)}, "vitrine.toml can't be read: it is longer than the 64 kB"},
		"pulled out":       {map[string]string{"vitrine.toml": ""}, "vitrine.toml, there are no settings in it; copy it to the stick again"},
		"comments":         {map[string]string{"vitrine.toml": "\ufeff# name = \"a\"\r\n"}, "there are no settings in it"},
		"tables alone":     {map[string]string{"vitrine.toml": "[network]\nwifi = {}\n"}, "there are no settings in it"},
		"no such file":     {map[string]string{"vitrine.toml": "network.ca_files = [\"ca.pem\"]\n"}, "network.ca_files: ca.pem: no such file or directory"},
		"no CA":            {map[string]string{"vitrine.toml": "network.ca_files = [\"ca.pem\"]\n", "ca.pem": "x"}, "network.ca_files: ca.pem: there is no certificate in PEM form"},
		"out of stick":     {map[string]string{"vitrine.toml": "network.ca_files = [\"../ca.pem\"]\n"}, "network.ca_files: ../ca.pem: path escapes"},
		"bad signature":    {map[string]string{"vitrine.toml": "name = \"a\"\n# vitrine-signature: x..y\n"}, "its last line: signature:"},
	} {
		if _, err := provision.Find(stick(t, c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A stick can have links on it, and what isn't a file.
func TestFindFollowsNoLinkOut(t *testing.T) {
	secret := stick(t, map[string]string{"secret.toml": "name = \"a\"\n"})
	out, folder := t.TempDir(), t.TempDir()
	if err := os.Symlink(filepath.Join(secret, "secret.toml"), filepath.Join(out, "vitrine.toml")); err != nil {
		t.Skip("this system has no links:", err)
	}
	if err := os.Mkdir(filepath.Join(folder, "vitrine.toml"), 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{out: "path escapes", folder: "it is not a file"} {
		if _, err := provision.Find(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	target := filepath.Join(secret, "secret.toml")
	if err := os.Symlink(target, filepath.Join(folder, provision.ReportName)); err != nil {
		t.Fatal(err)
	}
	if err := (provision.Report{}).Write(folder); err == nil {
		t.Error("a report was written through a link")
	}
	if data, _ := os.ReadFile(target); string(data) != "name = \"a\"\n" {
		t.Errorf("the link's target has become %q", data)
	}
	if _, err := provision.Find(filepath.Join(out, "gone")); err == nil || errors.Is(err, provision.ErrNone) {
		t.Errorf("a stick that was pulled out: %v", err)
	}
}

// now is when the tests are.
var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// site is a key, and the viewer that belongs to it.
func site(t testing.TB) (ed25519.PrivateKey, provision.Viewer) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key, provision.Viewer{Site: "shop", Key: public, Up: time.Hour, Now: now}
}

func parse(t testing.TB, text string) *provision.File {
	t.Helper()
	f, err := provision.Parse([]byte(text), func(string) ([]byte, error) { return nil, os.ErrNotExist })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func signed(t testing.TB, key ed25519.PrivateKey, text string, serial int64, expires time.Time) string {
	t.Helper()
	data, err := provision.Sign([]byte(text), key, "shop", serial, expires)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const text = "name = \"Lobby\"\r\n\r\nlog = \"info\"\r\n"

func TestPermit(t *testing.T) {
	key, viewer := site(t)
	other, _ := site(t)
	kept := parse(t, signed(t, key, text, 7, now.Add(time.Hour))).Keep(viewer)
	if kept.Site != "shop" || kept.Serial != 7 {
		t.Errorf("kept is number %d of %q", kept.Serial, kept.Site)
	}
	with := func(change func(*provision.Viewer)) provision.Viewer {
		v := viewer
		change(&v)
		return v
	}
	fresh := provision.Viewer{Up: time.Hour, Now: now}
	good := signed(t, key, text, 8, now.Add(time.Hour))
	for name, c := range map[string]struct {
		text string
		v    provision.Viewer
		want string
	}{
		"unsigned, no site yet":     {text, fresh, ""},
		"signed, no site yet":       {good, fresh, ""},
		"never":                     {text, with(func(v *provision.Viewer) { v.Site, v.Policy = "", config.NoSticks }), "takes no settings from sticks"},
		"signed, never":             {good, with(func(v *provision.Viewer) { v.Policy = config.NoSticks }), "takes no settings from sticks"},
		"signed":                    {good, viewer, ""},
		"unsigned":                  {text, viewer, "takes only settings that are signed by it: `vitrine-server provision sign FILE`"},
		"just switched on":          {text, with(func(v *provision.Viewer) { v.Up = time.Minute }), "takes only settings that are signed"},
		"... and that counts":       {text, with(func(v *provision.Viewer) { v.Up, v.Policy = time.Minute, config.PowerUpSticks }), ""},
		"... but not for ever":      {text, with(func(v *provision.Viewer) { v.Up, v.Policy = provision.PresenceTime, config.PowerUpSticks }), "switch the player off and on"},
		"... nor if it isn't known": {text, with(func(v *provision.Viewer) { v.Up, v.Policy = 0, config.PowerUpSticks }), "takes only settings"},
		"another site":              {good, with(func(v *provision.Viewer) { v.Site = "office" }), "signed by the site \"shop\", and this viewer belongs to \"office\""},
		"the name alone":            {signed(t, other, text, 8, now.Add(time.Hour)), viewer, "is signed by another site that is called"},
		"changed":                   {strings.Replace(good, "Lobby", "Hall", 1), viewer, "it was changed after it was signed"},
		"saved again by Notepad":    {"\ufeff" + good, viewer, ""},
		"expired":                   {signed(t, key, text, 8, now.Add(-time.Second)), viewer, "it was good until"},
		"the next":                  {good, with(func(v *provision.Viewer) { v.Kept = &kept }), ""},
		"replayed":                  {signed(t, key, text, 6, now.Add(time.Hour)), with(func(v *provision.Viewer) { v.Kept = &kept }), "it is an old one (number 6, and this viewer has taken number 7)"},
		"with the same number":      {signed(t, key, "name = \"b\"\n", 7, now.Add(time.Hour)), with(func(v *provision.Viewer) { v.Kept = &kept }), "it is an old one"},
	} {
		err := parse(t, c.text).Permit(c.v)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A number counts on, whatever is taken in between: what was taken before the viewer belonged to the site, and what a power-up allowed.
func TestSerialStays(t *testing.T) {
	key, viewer := site(t)
	before := parse(t, signed(t, key, text, 7, now.Add(time.Hour))).Keep(provision.Viewer{Now: now})
	if before.Serial != 0 {
		t.Errorf("a number that nobody could check is kept: %d", before.Serial)
	}
	viewer.Kept = &before
	if err := parse(t, signed(t, key, "log = \"warn\"\n", 7, now.Add(time.Hour))).Permit(viewer); err == nil {
		t.Error("a number is taken twice")
	}
	unsigned := parse(t, "log = \"debug\"\n").Keep(viewer)
	if unsigned.Serial != 7 {
		t.Errorf("after an unsigned file the number is %d", unsigned.Serial)
	}
	viewer.Kept = &unsigned
	if err := parse(t, signed(t, key, text, 7, now.Add(time.Hour))).Permit(viewer); err == nil {
		t.Error("an old file is taken after an unsigned one")
	}
	viewer.Site = "office"
	if k := parse(t, text).Keep(viewer); k.Serial != 0 || k.Site != "office" {
		t.Errorf("of another site: %+v", k)
	}
}

// What was taken from the boot partition is known, whatever sticks have brought since.
func TestBootCountsOnce(t *testing.T) {
	boot := parse(t, text)
	first := boot.Keep(provision.Viewer{Now: now, Boot: true})
	if first.Boot != boot.Digest() {
		t.Errorf("it isn't kept that it was the boot partition's: %+v", first)
	}
	stick := parse(t, "log = \"debug\"\n").Keep(provision.Viewer{Now: now, Kept: &first})
	if stick.Boot != boot.Digest() || stick.Digest == boot.Digest() {
		t.Errorf("after a stick %+v", stick)
	}
}

// What was in effect when others came may still be on a stick that is in, until the power was cut.
func TestOtherSticks(t *testing.T) {
	old, first, second := parse(t, "name = \"old\"\n"), parse(t, text), parse(t, "log = \"debug\"\n")
	take := func(f *provision.File, start string, kept *provision.Kept) *provision.Kept {
		k := f.Keep(provision.Viewer{Now: now, Start: start, Kept: kept})
		return &k
	}
	kept := take(second, "b", take(first, "b", take(old, "a", nil)))
	for name, f := range map[string]*provision.File{"old": old, "first": first} {
		if err := f.Permit(provision.Viewer{Start: "b", Kept: kept}); err == nil || !strings.Contains(err.Error(), "another stick") {
			t.Errorf("%s: %v", name, err)
		}
		if err := f.Permit(provision.Viewer{Start: "c", Kept: kept}); err != nil {
			t.Errorf("%s, after a power cut: %v", name, err)
		}
	}
	if kept = take(first, "c", kept); len(kept.Before) != 1 {
		t.Errorf("after a power cut there are %v", kept.Before)
	}
}

// The boot partition of an image has a file without settings, into which some can be put.
func TestPlaceholder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, config.FileName)
	for _, c := range []struct {
		data []byte
		want error
	}{
		{flash.Placeholder(), provision.ErrNone},
		{[]byte(text + strings.Repeat("\n", flash.PlaceholderSize-len(text))), nil},
	} {
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := provision.Find(dir); !errors.Is(err, c.want) {
			t.Errorf("%.20q…: %v, want %v", c.data, err, c.want)
		}
	}
}

func TestSign(t *testing.T) {
	key, viewer := site(t)
	once := signed(t, key, "\ufeff"+text, 1, now.Add(time.Hour))
	twice := signed(t, key, once, 2, now.Add(time.Hour))
	if strings.Count(twice, "vitrine-signature") != 1 || parse(t, twice).Permit(viewer) != nil {
		t.Errorf("signed again: %s", twice)
	}
	if s := parse(t, twice).Signature; s.Site != "shop" || s.Serial != 2 || !s.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("%+v", s)
	}
	for text, want := range map[string]string{
		"state = \"/tmp\"\n":                "line 1, column 1: state can't be set",
		"name = “a”\n":                      "curly quote",
		"# name = \"a\"\n":                  "there are no settings in it",
		"network.ca_files = [\"ca.pem\"]\n": "put the certificates into network.ca",
	} {
		if _, err := provision.Sign([]byte(text), key, "shop", 1, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is kept is over the device's own, and a damaged one gives way to the one before.
func TestSettings(t *testing.T) {
	state := t.TempDir()
	device := []byte("name = \"device\"\npage = \"127.0.0.1:80\"\n")
	settings := func(name string, damaged bool) config.Config {
		t.Helper()
		c, damage, err := provision.Settings(device, state)
		if err != nil || c.Name != name || c.Page != "127.0.0.1:80" || (damage != nil) != damaged {
			t.Errorf("name %q, want %q; damage %v, error %v", c.Name, name, damage, err)
		}
		return c
	}
	settings("device", false)
	ca := authority(t)
	first, err := provision.Find(stick(t, map[string]string{"vitrine.toml": "name = \"first\"\nnetwork.ca_files = [\"ca.pem\"]\n", "ca.pem": ca}))
	if err != nil {
		t.Fatal(err)
	}
	save := func(f *provision.File) {
		t.Helper()
		if err := provision.Save(state, f.Keep(provision.Viewer{Now: now})); err != nil {
			t.Fatal(err)
		}
	}
	save(first)
	if c := settings("first", false); !strings.Contains(c.Network.CA, ca) || len(c.Network.CAFiles) != 0 {
		t.Errorf("%+v", c.Network)
	}
	save(parse(t, "name = \"second\"\n"))
	settings("second", false)
	path := filepath.Join(state, "settings.json")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings("first", true)
	settings("first", true) // asking changes nothing
	provision.SetAside(state)
	settings("first", false)
	if k := provision.Load(state); k == nil || k.Digest != first.Digest() {
		t.Errorf("kept is %+v", k)
	}
	if err := os.WriteFile(filepath.Join(state, "settings.previous.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	settings("device", true)
	if data, err := os.ReadFile(path + ".damaged"); err != nil || string(data) != "{" {
		t.Errorf("set aside is %q, %v", data, err)
	}
	if _, _, err := provision.Settings([]byte("nmae = 1"), state); err == nil {
		t.Error("the device's own mistakes are passed over")
	}
}

// What only this release of the program can't use, or can't read now, stays where it is.
func TestSettingsOfAnotherRelease(t *testing.T) {
	state := t.TempDir()
	newer, folder := filepath.Join(state, "settings.json"), filepath.Join(state, "settings.previous.json")
	const text = `{"settings": "hologram = true", "digest": "d"}`
	if err := errors.Join(os.WriteFile(newer, []byte(text), 0o600), os.Mkdir(folder, 0o700)); err != nil {
		t.Fatal(err)
	}
	provision.SetAside(state)
	c, damage, err := provision.Settings([]byte("name = \"device\""), state)
	if err != nil || c.Name != "device" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, want := range []string{"there is no setting called \"hologram\"", "is a directory"} {
		if damage == nil || !strings.Contains(damage.Error(), want) || strings.Contains(damage.Error(), "aside") {
			t.Errorf("damage %v, want %q", damage, want)
		}
	}
	if data, err := os.ReadFile(newer); err != nil || string(data) != text {
		t.Errorf("the file has %q, %v", data, err)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
}

func TestReport(t *testing.T) {
	r := provision.Report{Wrong: errors.New("vitrine.toml, line 3:\nno"), Settings: []string{"name", "token"}, Pairing: "K7M-4QX", Time: now,
		Viewer: protocol.Reported{Name: "Café", Device: protocol.Device{Serial: "S1", MACs: []string{"02:00:00:00:00:01"}}}}
	text := r.Text()
	for _, want := range []string{"\ufeffVitrine report of 2026-11-29 12:00:00 UTC\r\n", "NOT DONE. Nothing was changed on this viewer.\r\n\r\nvitrine.toml, line 3: no\r\n",
		"Name:           Café\r\n", "Serial number:  S1\r\n", "MAC address:    02:00:00:00:00:01\r\n", "Pairing code:   K7M-4QX\r\n", "Settings:       name, token\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		t.Errorf("a line without CR: %q", text)
	}
	dir := t.TempDir()
	for range 2 {
		if err := r.Write(dir); err != nil {
			t.Fatal(err)
		}
		r.Wrong, r.Done = nil, "Done."
	}
	if data, _ := os.ReadFile(filepath.Join(dir, provision.ReportName)); !strings.Contains(string(data), "Done.\r\n") || strings.Contains(string(data), "NOT DONE") {
		t.Errorf("%s", data)
	}
}

// Whatever is in a file, nothing but a signature by the site's key makes a viewer of the site take it.
func FuzzPermit(f *testing.F) {
	key, viewer := site(f)
	f.Add([]byte(text))
	f.Add([]byte(signed(f, key, text, 1, now.Add(time.Hour)))[:100])
	f.Add([]byte("name = \"a\"\n# vitrine-signature: e30..e30\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := provision.Parse(data, func(string) ([]byte, error) { return nil, os.ErrNotExist })
		if err == nil && file.Permit(viewer) == nil {
			t.Errorf("%q is taken", data)
		}
	})
}
