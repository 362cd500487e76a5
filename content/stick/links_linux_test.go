package stick_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"vitrine/content/digest"
	"vitrine/content/stick"
)

// What isn't a file of the stick itself isn't read, and nothing blocks on it.
func TestLinksAndPipes(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	check(t, os.WriteFile(secret, []byte("one"), 0o600))
	for name, make := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink(secret, path) },
		"pipe":   func(path string) error { return unix.Mkfifo(path, 0o644) },
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "a", "one")
			d := digest.Of([]byte("one"))
			path := filepath.Join(dir, "vitrine", "assets", d.Hex()[:1], d.Hex())
			check(t, os.Remove(path))
			check(t, make(path))
			s, err := stick.Read(dir)
			check(t, err)
			if f, err := s.Open(d); err == nil {
				f.Close()
				t.Error("it was opened")
			}
			path = filepath.Join(dir, "vitrine", "programme.json")
			check(t, os.Remove(path))
			check(t, make(path))
			if _, err := stick.Read(dir); err == nil {
				t.Error("it was read as a programme")
			}
		})
	}
}
