package watchdog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A sink is a device that notes what is written to it.
type sink struct {
	bytes.Buffer
	closed bool
}

func (s *sink) Close() error {
	s.closed = true
	return nil
}

func TestDevice(t *testing.T) {
	for want, end := range map[string]func(*Device) error{"..V": (*Device).Close, "..": (*Device).Abandon} {
		s := &sink{}
		d := &Device{file: s, Timeout: time.Minute}
		for range 2 {
			if err := d.Feed(); err != nil {
				t.Fatal(err)
			}
		}
		if err := end(d); err != nil || s.String() != want || !s.closed {
			t.Errorf("%v, wrote %q, want %q", err, s.String(), want)
		}
	}
}

// What is no watchdog is left alone, but for the byte that would switch one off.
func TestOpen(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none"), time.Minute); err == nil {
		t.Error("there is a watchdog where there is none")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, time.Minute); err == nil {
		t.Error("an ordinary file is a watchdog")
	}
}
