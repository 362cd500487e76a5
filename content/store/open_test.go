package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"vitrine/content/store"
)

// A folder's name may look like a pattern. What is half-written there must go, and nothing may go elsewhere: as a pattern
// "[ab]" is the folder "a".
func TestOpenFolderNamedLikeAPattern(t *testing.T) {
	for _, name := range []string{"[ab]", "a[b", "*", `back\slash`} {
		base := t.TempDir()
		dir, other := filepath.Join(base, name, "content"), filepath.Join(base, "a", "content")
		var files []string
		for _, folder := range []string{dir, other} {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Skipf("this system can't have a folder called %s: %v", name, err)
			}
			file := filepath.Join(folder, ".generations.json.tmp-0123abcd")
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		s, err := store.Open(dir, store.Config{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		defer s.Close()
		if _, err := os.Stat(files[0]); err == nil {
			t.Errorf("%s: what was half-written stayed", name)
		}
		if _, err := os.Stat(files[1]); err != nil {
			t.Errorf("%s: a file of another folder went: %v", name, err)
		}
	}
}

// The folders above may be missing, and the way to them relative.
func TestOpenMakesTheFoldersAbove(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"content", "state/content/", filepath.Join(t.TempDir(), "a", "b", "c")} {
		s, err := store.Open(dir, store.Config{})
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		put(t, s, "content")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
