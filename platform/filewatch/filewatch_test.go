package filewatch_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vitrine/platform/atomicfile"
	"vitrine/platform/filewatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Whatever way a file is saved is told once; what changes beside it isn't.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "settings.toml")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path, []byte("one"), 0o644))
	changes, again := make(chan struct{}), make(chan os.Signal)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- filewatch.Watch(ctx, path, []byte("one"), again, func() { changes <- struct{}{} })
	}()
	defer func() {
		cancel()
		must(<-ended)
	}()
	told := func(what string) {
		t.Helper()
		select {
		case <-changes:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s wasn't told", what)
		}
	}
	// What comes in the way of an editor: a copy beside it, the same content again.
	must(os.WriteFile(filepath.Join(dir, ".settings.toml.swp"), []byte("x"), 0o644))
	must(os.WriteFile(path, []byte("one"), 0o644))
	must(os.WriteFile(path, []byte("two"), 0o644))
	told("a file that was written to")
	must(atomicfile.Write(path, []byte("three"), 0o644))
	told("a file in the place of the old one")
	must(os.Rename(path, path+"~"))
	told("a file that has gone")
	must(os.WriteFile(path, []byte("four"), 0o644))
	told("a file that is back")
	again <- os.Interrupt
	told("a signal")
	select {
	case <-changes:
		t.Error("one change was told twice")
	default:
	}
}
