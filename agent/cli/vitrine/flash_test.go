package vitrine

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent/cli"
	"vitrine/agent/config"
	"vitrine/platform/flash"
)

// imageFile is a packed image with the place for settings, at half its length.
func imageFile(t *testing.T) (path string, data []byte) {
	t.Helper()
	data = make([]byte, 3<<20)
	data[510], data[511] = 0x55, 0xaa
	copy(data[len(data)/2:], flash.Placeholder())
	path = filepath.Join(t.TempDir(), "a.img.gz")
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestFlash(t *testing.T) {
	image, data := imageFile(t)
	dir := t.TempDir()
	disk, settings := filepath.Join(dir, "disk"), filepath.Join(dir, "lobby.toml")
	text := "\ufeffname = \"Lobby\"\nnetwork.proxy = \"http://a:TOPSECRET@10.0.0.1:3128\""
	for path, text := range map[string]string{disk: "before", settings: text} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(disk); err != nil || string(got) != want {
			t.Fatalf("the disk has %d bytes, %v", len(got), err)
		}
	}
	if _, errs, code := on(t, "n\n", "flash", image, disk); code != 1 || !strings.Contains(errs, "will be lost") || !strings.Contains(errs, "nothing was written") {
		t.Errorf("no: %d, %s", code, errs)
	}
	is("before")
	said, errs, code := on(t, "Y\n", "flash", image, disk)
	if code != 0 || !strings.Contains(said, "was read back") || strings.Contains(said, "settings") || !strings.Contains(errs, "Reading back: 100 % of 3.1 MB") || !strings.Contains(errs, "there is no a.img.gz.sha256") {
		t.Errorf("%d, %s%s", code, said, errs)
	}
	is(string(data))
	said, errs, code = on(t, "", "flash", "--yes", "--json", "--settings", settings, image, disk)
	var v struct {
		Device   string
		Bytes    int64
		Settings bool
	}
	if err := json.Unmarshal([]byte(said), &v); code != 0 || err != nil || v.Device != disk || v.Bytes != int64(len(data)) || !v.Settings {
		t.Errorf("%d, %v, %s%s", code, err, said, errs)
	}
	if strings.Contains(said+errs, "TOPSECRET") || !strings.Contains(errs, "Name       Lobby") {
		t.Errorf("%s%s", said, errs)
	}
	plain := strings.TrimPrefix(text, "\ufeff")
	copy(data[len(data)/2:], plain+strings.Repeat("\n", flash.PlaceholderSize-len(plain)))
	is(string(data))
	written, err := config.ParseStick(data[len(data)/2 : len(data)/2+flash.PlaceholderSize])
	if err != nil || written.Name != "Lobby" {
		t.Errorf("what a viewer reads: %+v, %v", written, err)
	}
}

// Who names an image, and no device yet, is told that the image isn't one before anything is listed.
func TestFlashLists(t *testing.T) {
	image, _ := imageFile(t)
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, 0, ""},
		{[]string{image}, 0, ""},
		{[]string{filepath.Join(dir, "none.img")}, 1, "there is no " + filepath.Join(dir, "none.img")},
		{[]string{dir}, 1, dir + " is not a file"},
	} {
		said, errs, code := on(t, "", append([]string{"flash"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.says) || code != 0 && said != "" {
			t.Errorf("%q: %d, %s%s", c.args, code, said, errs)
		}
	}
}

// Any settings that are right have room in an image, and without them there are none.
func TestPlaceholderIsSettings(t *testing.T) {
	if flash.PlaceholderSize < config.MaxSize {
		t.Errorf("an image has room for %d bytes, and settings may have %d", flash.PlaceholderSize, config.MaxSize)
	}
	text, err := config.Text(flash.Placeholder())
	if err == nil {
		_, err = config.ParseStick(text)
	}
	if names := config.Names(text); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		took        time.Duration
		want        string
	}{
		{0, 100e6, time.Minute, ""},
		{10e6, 100e6, 100 * time.Millisecond, ""},
		{20e6, 100e6, 2 * time.Second, ", 10.0 MB/s, 8s left"},
		{100e6, 100e6, 10 * time.Second, ", 10.0 MB/s"},
	} {
		if got := rate(c.done, c.total, c.took); got != c.want {
			t.Errorf("%d in %v: %q, want %q", c.done, c.took, got, c.want)
		}
	}
}

// A disk that is far too large for a card is asked for by its name, or needs a word.
func TestFlashLarge(t *testing.T) {
	d := flash.Device{Path: "/dev/sdx", Size: 2e12, Removable: true}
	for _, c := range []struct {
		o     flashOptions
		typed string
		ok    bool
	}{
		{flashOptions{}, "y\n", false},
		{flashOptions{}, "sdx\n", true},
		{flashOptions{yes: true}, "", false},
		{flashOptions{yes: true, internal: true}, "", true},
		{flashOptions{internal: true}, "y\n", true},
		{flashOptions{}, "", false},
	} {
		var asked bytes.Buffer
		env := cli.Env{Stdin: strings.NewReader(c.typed), Stderr: &asked}
		if err := c.o.agree(t.Context(), env, d); (err == nil) != c.ok {
			t.Errorf("%+v, %q: %v\n%s", c.o, c.typed, err, asked.String())
		}
	}
}
