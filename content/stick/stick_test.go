package stick_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/fetch"
	"vitrine/content/manifest"
	"vitrine/content/stick"
	"vitrine/content/store"
)

var siteKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func publicKey() ed25519.PublicKey { return siteKey.Public().(ed25519.PublicKey) }

// files are what there is to export, by digest.
type files map[digest.Digest]string

func (f files) open(d digest.Digest) (io.ReadSeekCloser, error) {
	content, ok := f[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return closer{strings.NewReader(content)}, nil
}

type closer struct{ io.ReadSeeker }

func (closer) Close() error { return nil }

// export makes a programme with these pictures.
func export(t testing.TB, id string, pictures ...string) (stick.Export, files) {
	t.Helper()
	m := &manifest.Manifest{Version: 1, ID: id, Issued: time.Unix(1e9, 0).UTC(), Assets: map[digest.Digest]manifest.Asset{}}
	zone := manifest.Zone{ID: "z", W: 100, H: 100}
	all := files{}
	for _, p := range pictures {
		d := digest.Of([]byte(p))
		all[d] = p
		m.Assets[d] = manifest.Asset{Size: int64(len(p)), Type: "image/png"}
		zone.Playlist = append(zone.Playlist, manifest.Item{Type: manifest.Image, Asset: d, Seconds: 1})
	}
	m.Presentations = map[string]manifest.Presentation{"p": {Zones: []manifest.Zone{zone}}}
	m.Schedule.Default = "p"
	document, err := manifest.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := digest.Of(document)
	all[d] = string(document)
	return stick.Export{
		Programme: stick.Programme{Site: "site", ID: id, Manifest: d, Size: int64(len(document)), Signature: manifest.Sign(siteKey, document)},
		Manifest:  m, Open: all.open,
	}, all
}

// write exports to a folder.
func write(t testing.TB, dir, id string, pictures ...string) (stick.Export, files) {
	t.Helper()
	e, all := export(t, id, pictures...)
	if _, _, err := e.Write(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return e, all
}

// onStick lists the files on a stick.
func onStick(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			list = append(list, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWriteAndRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := stick.Read(dir); !errors.Is(err, stick.ErrNone) {
		t.Errorf("an empty stick: %v", err)
	}
	e, all := write(t, dir, "a", "one", "two")
	if files, n, err := e.Write(t.Context(), dir); files != 0 || n != 0 || err != nil {
		t.Errorf("the second time %d files of %d bytes were written, %v", files, n, err)
	}
	s, err := stick.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.Manifest("site", publicKey()); err != nil || m.ID != "a" {
		t.Errorf("manifest %+v, %v", m, err)
	}
	for d, content := range all {
		f, err := s.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(got) != content {
			t.Errorf("read %q, %v", got, err)
		}
	}
	// Another programme replaces it, and what both have isn't written again.
	next, _ := export(t, "b", "two", "three")
	if files, _, err := next.Write(t.Context(), dir); files != 2 || err != nil {
		t.Errorf("%d files were written, %v", files, err)
	}
	if got := onStick(t, dir); len(got) != 4 || slices.Contains(got, digest.Of([]byte("one")).Hex()) {
		t.Errorf("the stick has %v", got)
	}
}

// A stick that is pulled out in the middle has the programme before it, whole, or none.
func TestWriteIsCutOff(t *testing.T) {
	for _, before := range []string{"", "a"} {
		for n := 1; n <= 3; n++ {
			dir := t.TempDir()
			if before != "" {
				write(t, dir, before, "one", "two")
			}
			e, _ := export(t, "b", "three", "four")
			ctx, cancel := context.WithCancel(t.Context())
			inner, opened := e.Open, 0
			e.Open = func(d digest.Digest) (io.ReadSeekCloser, error) {
				if opened++; opened == n {
					cancel()
				}
				return inner(d)
			}
			if _, _, err := e.Write(ctx, dir); !errors.Is(err, context.Canceled) {
				t.Fatalf("cut off at file %d: %v", n, err)
			}
			s, err := stick.Read(dir)
			if before == "" && !errors.Is(err, stick.ErrNone) || before != "" && (err != nil || s.ID != before) {
				t.Errorf("cut off at file %d, the stick has %+v, %v", n, s, err)
			}
			if before != "" {
				for _, p := range []string{"one", "two"} {
					if f, err := s.Open(digest.Of([]byte(p))); err != nil {
						t.Error(err)
					} else {
						f.Close()
					}
				}
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		dir   func(t *testing.T) string
		spoil func(e *stick.Export, all files)
		want  string
	}{
		"no such folder": {func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, func(*stick.Export, files) {}, "is the stick there"},
		"a file": {func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return path
		}, func(*stick.Export, files) {}, "not a folder"},
		"a missing file": {func(t *testing.T) string { return t.TempDir() }, func(_ *stick.Export, all files) { delete(all, digest.Of([]byte("one"))) }, "isn't on this machine's disk"},
		"a damaged file": {func(t *testing.T) string { return t.TempDir() }, func(_ *stick.Export, all files) { all[digest.Of([]byte("one"))] = "0ne" }, "content verify"},
	} {
		e, all := export(t, "a", "one", "two")
		test.spoil(&e, all)
		dir := test.dir(t)
		if _, _, err := e.Write(t.Context(), dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if _, err := stick.Read(dir); err == nil {
			t.Errorf("%s: there is a programme", name)
		}
	}
}

func TestManifestIsRefused(t *testing.T) {
	programme := func(change func(string) string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, "vitrine", "programme.json")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(change(string(data))), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(old, by string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, by, 1) }
	}
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string
	}{
		"another site":     {programme(replace(`"site": "site"`, `"site": "theirs"`)), `of site "theirs"`},
		"no signature":     {programme(func(s string) string { i := strings.Index(s, `"signature"`); return s[:i] + `"exported": null}` }), "isn't signed"},
		"version 2":        {programme(replace(`"version": 1`, `"version": 2`)), "same version"},
		"not JSON":         {programme(func(string) string { return "hello" }), "export the programme to the stick again"},
		"too long":         {programme(func(s string) string { return s + strings.Repeat(" ", 70<<10) }), "longer"},
		"no manifest":      {programme(replace(`"sha256:`, `"sha512:`)), "can't be read"},
		"a negative size":  {programme(replace(`"size": `, `"size": -`)), "sensible size"},
		"manifest damaged": {func(t *testing.T, dir string) { eachManifest(t, dir, func([]byte) []byte { return []byte("{}") }) }, "damaged"},
		"manifest gone":    {func(t *testing.T, dir string) { eachManifest(t, dir, nil) }, "can't be read"},
	} {
		dir := t.TempDir()
		write(t, dir, "a", "one")
		test.spoil(t, dir)
		s, err := stick.Read(dir)
		if err == nil {
			_, err = s.Manifest("site", publicKey())
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	dir := t.TempDir()
	write(t, dir, "a", "one")
	s, err := stick.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Manifest("site", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)); err == nil || !strings.Contains(err.Error(), "isn't signed by this viewer's site") {
		t.Errorf("another key: %v", err)
	}
}

// eachManifest changes the manifest on a stick; with nil it goes.
func eachManifest(t *testing.T, dir string, change func([]byte) []byte) {
	t.Helper()
	s, err := stick.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	hex := s.Programme.Manifest.Hex()
	path := filepath.Join(dir, "vitrine", "assets", hex[:1], hex)
	if change == nil {
		err = os.Remove(path)
	} else {
		err = os.WriteFile(path, change(nil), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// transport carries requests to sticks, and to the rest.
type transport struct{ *stick.Sticks }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == stick.Scheme {
		return t.Sticks.RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// A stick is a source like any other: it goes on where another ended, another goes on where it ended, and its lies are found out.
func TestSource(t *testing.T) {
	film := strings.Repeat("0123456789abcdef", 20<<10)
	d := digest.Of([]byte(film))
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Range"))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(film))
	}))
	defer server.Close()
	for name, test := range map[string]struct {
		// there is how much has come before.
		there int
		spoil func(t *testing.T, path string, sticks *stick.Sticks, dir string)
		asked []string
	}{
		"whole":          {0, func(*testing.T, string, *stick.Sticks, string) {}, nil},
		"the rest of it": {100_000, func(*testing.T, string, *stick.Sticks, string) {}, nil},
		"cut short":      {0, func(t *testing.T, path string, _ *stick.Sticks, _ string) { check(t, os.Truncate(path, 200_000)) }, []string{""}},
		"damaged": {0, func(t *testing.T, path string, _ *stick.Sticks, _ string) {
			check(t, os.WriteFile(path, bytes.Repeat([]byte("x"), len(film)), 0o644))
		}, []string{""}},
		"pulled out":        {100_000, func(_ *testing.T, _ string, s *stick.Sticks, dir string) { s.Remove(dir) }, []string{"bytes=100000-"}},
		"gone from it":      {0, func(t *testing.T, path string, _ *stick.Sticks, _ string) { check(t, os.Remove(path)) }, []string{""}},
		"shorter than that": {100_000, func(t *testing.T, path string, _ *stick.Sticks, _ string) { check(t, os.Truncate(path, 9)) }, []string{"bytes=100000-"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked = nil
			dir := t.TempDir()
			write(t, dir, "a", film)
			s, err := stick.Read(dir)
			check(t, err)
			var sticks stick.Sticks
			sticks.Add(s)
			sources := sticks.Sources(d)
			if len(sources) != 1 {
				t.Fatalf("sources %v", sources)
			}
			test.spoil(t, filepath.Join(dir, "vitrine", "assets", d.Hex()[:1], d.Hex()), &sticks, dir)
			kept, err := store.Open(t.TempDir(), store.Config{})
			check(t, err)
			defer kept.Close()
			if test.there > 0 {
				w, err := kept.Create(d, int64(len(film)))
				check(t, err)
				if _, err := io.WriteString(w, film[:test.there]); err != nil {
					t.Fatal(err)
				}
				w.Suspend()
			}
			f := fetch.New(fetch.Config{Transport: transport{&sticks}, RetryWait: time.Millisecond, Retries: 1})
			job := fetch.Job{Digest: d, Size: int64(len(film)), Sources: append(sources, fetch.Source{URL: server.URL})}
			check(t, f.Fetch(t.Context(), kept, job))
			check(t, kept.Verify(t.Context(), d))
			if !slices.Equal(asked, test.asked) {
				t.Errorf("the server was asked for %q, want %q", asked, test.asked)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGiveBack(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Lobby, left", "a/b", "..", `C:\x`, strings.Repeat("ä", 200)} {
		for _, text := range []string{"first", "second"} {
			check(t, stick.GiveBack(dir, name, "status.json", []byte(text)))
		}
	}
	list, err := filepath.Glob(filepath.Join(dir, "vitrine", "viewers", "*", "status.json"))
	if err != nil || len(list) != 5 {
		t.Errorf("the stick has %v, %v", list, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "vitrine", "viewers", "Lobby, left", "status.json")); err != nil || string(data) != "second" {
		t.Errorf("%q, %v", data, err)
	}
}

func FuzzProgramme(f *testing.F) {
	e, _ := export(f, "a", "one")
	dir := f.TempDir()
	if _, _, err := e.Write(context.Background(), dir); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "vitrine", "programme.json")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := stick.Read(dir)
		if err != nil {
			return
		}
		if m, err := s.Manifest("site", publicKey()); err == nil && m.ID != "a" {
			t.Errorf("played %s", fmt.Sprint(m))
		}
	})
}
