package library_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"vitrine/content/digest"
	"vitrine/content/library"
)

// file is where something lies in a content folder.
func file(dir string, d digest.Digest) string {
	return filepath.Join(dir, "assets", d.Hex()[:1], d.Hex())
}

func change(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, change(bytes.Clone(data)), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func flip(b []byte) []byte { b[len(b)/2] ^= 1; return b }

func shorten(b []byte) []byte { return b[:len(b)-1] }

// two leaves a folder with a and b activated, and gives the names of both.
func two(t *testing.T, dir string, s *site) (a, b library.Ref) {
	t.Helper()
	a, b = s.publish("a", "only a", "both"), s.publish("b", "both", "only b")
	v := start(t, dir, s, false, nil)
	v.want(a)
	v.want(b)
	v.check(t, "b", "")
	v.stop()
	return a, b
}

var damages = map[string]func(t *testing.T, dir string, b library.Ref){
	"missing asset": func(t *testing.T, dir string, _ library.Ref) {
		if err := os.Remove(file(dir, digest.Of([]byte("only b")))); err != nil {
			t.Fatal(err)
		}
	},
	"wrong length": func(t *testing.T, dir string, _ library.Ref) {
		change(t, file(dir, digest.Of([]byte("only b"))), shorten)
	},
	"flipped byte in the manifest": func(t *testing.T, dir string, b library.Ref) { change(t, file(dir, b.Digest), flip) },
	"cut manifest":                 func(t *testing.T, dir string, b library.Ref) { change(t, file(dir, b.Digest), shorten) },
	"missing manifest": func(t *testing.T, dir string, b library.Ref) {
		if err := os.Remove(file(dir, b.Digest)); err != nil {
			t.Fatal(err)
		}
	},
}

func TestOfflineStart(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		_, b := two(t, dir, s)
		v := start(t, dir, s, true, nil)
		v.check(t, "b", "")
		v.want(b)
		v.check(t, "b", "")
	})
}

func TestDamagedCurrent(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, s *site, dir string) {
				a, b := two(t, dir, s)
				damage(t, dir, b)
				v := start(t, dir, s, true, nil)
				v.check(t, "a", "no server")
				if !strings.Contains(v.faults[0].Error(), "damaged") {
					t.Errorf("first fault %v", v.faults[0])
				}
				// Switched off and on before a server was there: nothing has been forgotten.
				v.stop()
				v = start(t, dir, s, true, nil)
				v.check(t, "a", "no server")

				v.mu.Lock()
				v.offline = false
				v.mu.Unlock()
				v.Refresh()
				synctest.Wait()
				v.check(t, "b", "")
				if v.generations() != generations(b, a) {
					t.Errorf("generations %s, want %s", v.generations(), generations(b, a))
				}
			})
		})
	}
}

// The next programme must push out the damaged one, not the one that plays.
func TestNewProgrammeOverADamagedOne(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, s *site, dir string) {
				a, b := two(t, dir, s)
				damage(t, dir, b)
				v := start(t, dir, s, true, nil)
				c := s.publish("c", "only c")
				v.mu.Lock()
				v.offline = false
				v.mu.Unlock()
				v.want(c)
				v.check(t, "c", "")
				if v.generations() != generations(c, a) {
					t.Errorf("generations %s, want %s", v.generations(), generations(c, a))
				}
				v.stop()
				change(t, file(dir, c.Digest), flip)
				start(t, dir, s, true, nil).check(t, "a", "no server")
			})
		})
	}
}

// A server that wants what plays instead of the damaged one gets it, for the next start too.
func TestWantWhatPlaysInPlaceOfADamagedOne(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		a, b := two(t, dir, s)
		damages["missing asset"](t, dir, b)
		v := start(t, dir, s, true, nil)
		v.want(a)
		v.check(t, "a", "")
		v.stop()
		v = start(t, dir, s, true, nil)
		v.check(t, "a", "")
		if len(v.faults) > 0 && v.faults[0] != nil {
			t.Errorf("faults %v", v.faults)
		}
	})
}

func TestBothDamaged(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		a, b := two(t, dir, s)
		change(t, file(dir, a.Digest), flip)
		change(t, file(dir, b.Digest), flip)
		v := start(t, dir, s, true, nil)
		v.check(t, "", "no server")
		v.stop()
		v = start(t, dir, s, false, nil)
		v.check(t, "b", "")
	})
}

// A manifest whose signature isn't the site's doesn't play, though it lies on disk under its right name.
func TestForeignManifestOnDisk(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		two(t, dir, s)
		mine := siteKey
		defer func() { siteKey = mine }()
		siteKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		start(t, dir, s, true, nil).check(t, "", "signature")
	})
}
