package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/content/digest"
	"vitrine/content/store"
)

func generation(name string) store.Generation {
	return store.Generation{Manifest: digest.Of([]byte(name)), Size: int64(len(name)), Signature: "signed " + name, Activated: time.Unix(1e9, 0).UTC()}
}

// want checks the generations of s; "" is none.
func want(t *testing.T, s *store.Store, current, previous string) {
	t.Helper()
	for _, test := range []struct {
		what string
		get  func() (store.Generation, bool)
		want string
	}{{"current", s.Current, current}, {"previous", s.Previous, previous}} {
		got, ok := test.get()
		if ok != (test.want != "") || ok && got != generation(test.want) {
			t.Errorf("%s is %+v, %t; want %q", test.what, got, ok, test.want)
		}
	}
}

func activate(t *testing.T, s *store.Store, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := s.Activate(generation(name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want(t, s, "", "")
	if _, err := s.Rollback(); err == nil {
		t.Error("rolled back to nothing")
	}
	for _, step := range []struct{ activate, current, previous string }{
		{"a", "a", ""},
		{"a", "a", ""}, // mended
		{"b", "b", "a"},
		{"b", "b", "a"}, // mended: the one before stays
		{"a", "a", "b"},
		{"c", "c", "a"},
	} {
		activate(t, s, step.activate)
		want(t, s, step.current, step.previous)
		s.Close()
		s = open(t, dir)
		want(t, s, step.current, step.previous)
	}
	if g, err := s.Rollback(); err != nil || g != generation("a") {
		t.Errorf("rolled back to %+v, %v", g, err)
	}
	want(t, s, "a", "")
	if _, err := s.Rollback(); err == nil {
		t.Error("rolled back twice")
	}
	s.Close()
	want(t, open(t, dir), "a", "")
}

func TestDamagedGenerations(t *testing.T) {
	const main, backup = "generations.json", "generations.backup.json"
	cut := func(s string) string { return s[:len(s)/2] }
	for name, test := range map[string]struct {
		damage            map[string]func(string) string
		current, previous string
	}{
		"main cut":           {map[string]func(string) string{main: cut}, "b", "a"},
		"backup cut":         {map[string]func(string) string{backup: cut}, "b", "a"},
		"main empty":         {map[string]func(string) string{main: func(string) string { return "" }}, "b", "a"},
		"main of zeros":      {map[string]func(string) string{main: func(s string) string { return strings.Repeat("\x00", len(s)) }}, "b", "a"},
		"main of nothing":    {map[string]func(string) string{main: func(string) string { return "{}" }}, "b", "a"},
		"main, but readable": {map[string]func(string) string{main: func(s string) string { return strings.Replace(s, "signed b", "signed c", 1) }}, "b", "a"},
		"main with a count":  {map[string]func(string) string{main: func(s string) string { return strings.Replace(s, `"count": 2`, `"count": 9`, 1) }}, "b", "a"},
		"both":               {map[string]func(string) string{main: cut, backup: cut}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			activate(t, s, "a", "b")
			s.Close()
			for file, damage := range test.damage {
				path := filepath.Join(dir, file)
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if damage(string(data)) == string(data) {
					t.Fatal("nothing was damaged")
				}
				spoil(t, path, damage(string(data)))
			}
			s = open(t, dir)
			want(t, s, test.current, test.previous)
			for file := range test.damage {
				if _, err := os.Stat(filepath.Join(dir, file+".damaged")); err != nil {
					t.Errorf("%s wasn't set aside: %v", file, err)
				}
			}
			s.Close()
			// It is mended: now the other copy may go.
			for file := range map[string]bool{main: true, backup: true} {
				if test.damage[file] == nil {
					spoil(t, filepath.Join(dir, file), "")
				}
			}
			s = open(t, dir)
			want(t, s, test.current, test.previous)
			activate(t, s, "c")
			want(t, s, "c", test.current)
		})
	}
}

// After a cut between the two copies the later one counts, whichever it is.
func TestOlderCopy(t *testing.T) {
	for _, old := range []string{"generations.json", "generations.backup.json"} {
		dir := t.TempDir()
		s := open(t, dir)
		activate(t, s, "a")
		data, err := os.ReadFile(filepath.Join(dir, old))
		if err != nil {
			t.Fatal(err)
		}
		activate(t, s, "b")
		s.Close()
		spoil(t, filepath.Join(dir, old), string(data))
		want(t, open(t, dir), "b", "a")
	}
}

func TestActivateFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	activate(t, s, "a")
	path := filepath.Join(dir, "generations.json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(generation("b")); err == nil {
		t.Error("activated without a file")
	}
	want(t, s, "a", "")
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	keep, lose, stuck := put(t, s, "keep"), put(t, s, "lose it"), put(t, s, "stuck")
	foreign := filepath.Join(dir, "assets", "README")
	if err := os.WriteFile(foreign, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	files, bytes, err := s.Sweep(func(d digest.Digest) bool { return d != lose })
	if files != 1 || bytes != 7 || err != nil {
		t.Errorf("swept %d files of %d bytes, %v", files, bytes, err)
	}
	if !s.Has(keep, 4) || !s.Has(stuck, 5) || s.Has(lose, 7) {
		t.Error("the wrong ones went")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a foreign file went: %v", err)
	}
	if err := os.Remove(place(dir, stuck)); err != nil {
		t.Fatal(err)
	}
	files, _, err = s.Sweep(func(digest.Digest) bool { return false })
	if files != 1 || err != nil || s.Has(keep, 4) {
		t.Errorf("swept %d files, %v", files, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 20 {
				d := put(t, s, fmt.Sprintf("asset %d", (i+j)%10)) // several write the same one
				if !s.Has(d, 7) {
					t.Errorf("asset %d isn't there", (i+j)%10)
				}
				if err := s.Verify(t.Context(), d); err != nil {
					t.Error(err)
				}
				if err := s.Activate(generation(fmt.Sprint(j))); err != nil {
					t.Error(err)
				}
				s.Current()
				s.Previous()
			}
		})
	}
	wg.Wait()
	want(t, s, "19", "18")
}
