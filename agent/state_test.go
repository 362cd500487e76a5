package agent_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"vitrine/agent"
)

// What a power cut has left half-written goes at the next start, a key above all; but not while another viewer has the folder, which may be writing just now.
func TestHalfWrittenFilesGo(t *testing.T) {
	state := t.TempDir()
	leftovers := []string{".clock.json.tmp-0123cdef", "identity/.key.pem.tmp-0123cdef", "releases/.releases.json.tmp-0123cdef"}
	leave := func() {
		for _, name := range leftovers {
			path := filepath.Join(state, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	there := func(want bool) {
		t.Helper()
		for _, name := range leftovers {
			if _, err := os.Stat(filepath.Join(state, name)); errors.Is(err, fs.ErrNotExist) == want {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	leave()
	c := agent.Config{State: state, Page: "127.0.0.1:0"}
	a, err := agent.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	there(false)
	leave()
	if other, err := agent.New(c); err == nil {
		other.Close()
		t.Fatal("two viewers have one state folder")
	}
	there(true)
}
