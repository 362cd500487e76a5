package zones

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// It is the database of the Go that builds the program: `go generate ./platform/zones` makes it anew. Every zone of it is found.
func TestDatabase(t *testing.T) {
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := database()
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("it is not this Go's; `go generate ./platform/zones` makes it so (%v)", err)
	}
	archive, err := zip.NewReader(bytes.NewReader(want), int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := load(f.Name); err != nil || got != string(data) {
			t.Errorf("%s: %d bytes, %v; want %d", f.Name, len(got), err, len(data))
		}
	}
	if _, err := load("Europe/Nowhere"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("an unknown zone: %v", err)
	}
}

// Package time finds them where the system has none.
func TestWithoutSystem(t *testing.T) {
	if _, err := os.Stat("/usr/share/zoneinfo/Pacific/Chatham"); err == nil {
		t.Log("this system has the zones itself; TestDatabase is what counts here")
	}
	zone, err := time.LoadLocation("Pacific/Chatham")
	if err != nil {
		t.Fatal(err)
	}
	if _, offset := time.Date(2026, 11, 29, 12, 0, 0, 0, zone).Zone(); offset != 13*3600+45*60 {
		t.Errorf("its offset is %d s", offset)
	}
}
