package service

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A log that has grown beyond all memory is kept short all the same, with its end in another file.
func TestShortFile(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 38); err != nil { // it takes no room
		t.Fatal(err)
	}
	s := &shortFile{f: f, path: path, old: old}
	for _, w := range []io.Writer{f, s} {
		if _, err := w.Write([]byte("a line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "a line\n" {
		t.Errorf("the log has %.100q, %v", data, err)
	}
	if data, err := os.ReadFile(old); err != nil || len(data) != logSize/2 || !bytes.HasSuffix(data, []byte("\x00a line\n")) {
		t.Errorf("the older one has %d bytes, %v", len(data), err)
	}
}

// Who starts a service again says so.
func TestRestarts(t *testing.T) {
	for _, c := range []struct {
		systemd, script   string
		restarts, watched bool
	}{{"", "", false, false}, {"/run/notify", "", true, true}, {"", "yes", true, false}} {
		t.Setenv("NOTIFY_SOCKET", c.systemd)
		t.Setenv(restartsVariable, c.script)
		if Restarts() != c.restarts || Watched() != c.watched {
			t.Errorf("%+v: %t, %t", c, Restarts(), Watched())
		}
	}
}
