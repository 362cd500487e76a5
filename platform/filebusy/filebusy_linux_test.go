package filebusy_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"vitrine/platform/filebusy"
)

func TestBusyWhileSomebodyWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy.jpg")
	writer, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if busy, err := filebusy.Busy(reader); !busy || err != nil {
		t.Errorf("while it is written: %v, %v", busy, err)
	}
	writer.Close()
	for range 2 { // the lease of the first question must not disturb the second
		if busy, err := filebusy.Busy(reader); busy || err != nil {
			t.Errorf("after it was closed: %v, %v", busy, err)
		}
	}
	if again, err := os.OpenFile(path, os.O_WRONLY, 0); err != nil {
		t.Errorf("the question keeps writers away: %v", err)
	} else {
		again.Close()
	}
}

func TestWhatCantBeKnown(t *testing.T) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	defer f.Close()
	if _, err := filebusy.Busy(f); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("error %v, want errors.ErrUnsupported", err)
	}
}
