package disk_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitrine/platform/disk"
)

// A file that a reader has open is replaced once the reader is done. One who never is does not hold up the writer for long, and nothing is changed then.
func TestRenameWaitsForReaders(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "new"), filepath.Join(dir, "old")
	for _, path := range []string{from, to} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := os.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := (disk.OS{}).Rename(from, to); err == nil {
		t.Error("an open file is replaced: then none need be waited for")
	}
	if took := time.Since(begin); took < time.Second || took > 10*time.Second {
		t.Errorf("it waited for %v", took)
	}
	if data, err := os.ReadFile(to); err != nil || string(data) != "old" {
		t.Errorf("meanwhile there is %q, %v", data, err)
	}

	done := make(chan error)
	go func() { done <- disk.OS{}.Rename(from, to) }()
	select {
	case err := <-done:
		t.Fatalf("an open file was replaced: %v", err)
	case <-time.After(100 * time.Millisecond): // it has been refused, most likely more than once
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(to); err != nil || string(data) != "new" {
		t.Errorf("in the end there is %q, %v", data, err)
	}
}

// A folder in the way is there to stay: nothing is waited for.
func TestRenameOverFolder(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "new"), filepath.Join(dir, "folder")
	if err := os.WriteFile(from, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := (disk.OS{}).Rename(from, to); err == nil {
		t.Error("a folder is replaced by a file")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it waited for %v", took)
	}
}

// What is read-only is replaced as it is on Unix, by what stays read-only.
func TestRenameOverReadOnly(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "new"), filepath.Join(dir, "old")
	for _, path := range []string{from, to} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := (disk.OS{}).Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(to); err != nil || string(data) != "new" {
		t.Errorf("there is %q, %v", data, err)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm()&0o200 != 0 {
		t.Errorf("it is %v, %v", info.Mode(), err)
	}
	if err := os.Remove(to); err != nil { // as the store does
		t.Error(err)
	}
}
