package media

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/content/digest"
)

const settle = 30 * time.Millisecond

// picture makes a PNG that differs by its size.
func picture(t *testing.T, width int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// start runs a folder, and gives it with its log.
func start(t *testing.T, dir, index string) (*Folder, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{}
	f, err := New(dir, Config{Index: index, Settle: settle, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-f.Ready()
	return f, log
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func names(f *Folder) string {
	var list []string
	for _, item := range f.Items() {
		list = append(list, item.Path)
	}
	return strings.Join(list, " ")
}

// waitFor waits until the folder's items are as wanted.
func waitFor(t *testing.T, f *Folder, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for names(f) != want {
		select {
		case <-f.Changed():
		case <-deadline:
			t.Fatalf("items %q, want %q", names(f), want)
		}
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFolderFollowsChanges(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "img10.png"), picture(t, 10))
	write(t, filepath.Join(dir, "img2.png"), picture(t, 2))
	write(t, filepath.Join(dir, "notes.txt"), []byte("not for the screen"))
	write(t, filepath.Join(dir, ".hidden.png"), picture(t, 3))
	write(t, filepath.Join(dir, "copy.png.part"), picture(t, 4))
	write(t, filepath.Join(dir, "fake.jpg"), []byte("<html>log in first</html>"))
	f, log := start(t, dir, "")
	waitFor(t, f, "img2.png img10.png")
	for _, want := range []string{"notes.txt", "fake.jpg"} {
		if strings.Count(log.String(), want) != 1 {
			t.Errorf("%s should be named once in the log:\n%s", want, log)
		}
	}
	write(t, filepath.Join(dir, "new folder", "a.png"), picture(t, 5))
	waitFor(t, f, "img2.png img10.png new folder/a.png")
	if err := os.Rename(filepath.Join(dir, "copy.png.part"), filepath.Join(dir, "copy.png")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, f, "copy.png img2.png img10.png new folder/a.png")
	if err := os.Remove(filepath.Join(dir, "img2.png")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, f, "copy.png img10.png new folder/a.png")
}

// A copy that pauses in the middle must not show half a picture: a viewer would fetch it, and show a damaged one.
func TestHalfACopyIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	f, _ := start(t, dir, "")
	data := picture(t, 100)
	file, err := os.Create(filepath.Join(dir, "slow.png"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(data[:len(data)/2]); err != nil {
		t.Fatal(err)
	}
	select {
	case <-f.Changed():
		t.Fatalf("half a copy was taken: %q", names(f))
	case <-time.After(20 * settle):
	}
	if _, err := file.Write(data[len(data)/2:]); err != nil {
		t.Fatal(err)
	}
	file.Close()
	closed := time.Now()
	waitFor(t, f, "slow.png")
	if took := time.Since(closed); took > time.Second {
		t.Errorf("taken %v after the end of the copy", took)
	}
	if got := f.Items()[0].Digest; got != digest.Of(data) {
		t.Errorf("digest %v is not that of the whole file", got)
	}
}

func TestOpenRefusesAChangedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	write(t, path, picture(t, 1))
	f, _ := start(t, dir, "")
	d := f.Items()[0].Digest
	file, item, err := f.Open(d)
	if err != nil || item.Type != "image/png" {
		t.Fatalf("%+v, %v", item, err)
	}
	file.Close()
	write(t, path, picture(t, 77))
	deadline := time.After(10 * time.Second)
	for len(f.Items()) != 1 || f.Items()[0].Digest == d {
		if file, _, err := f.Open(d); err == nil {
			file.Close()
			t.Fatal("a file with other bytes was opened under the old digest")
		}
		select {
		case <-f.Changed():
		case <-deadline:
			t.Fatal("the change was not noticed")
		}
	}
	if _, _, err := f.Open(digest.Of(nil)); err == nil {
		t.Error("opened what isn't there")
	}
}

// The index must save the reading: a file that can't be read any more is still known by it.
func TestIndexSavesReading(t *testing.T) {
	dir, state := t.TempDir(), filepath.Join(t.TempDir(), "index.json")
	path := filepath.Join(dir, "a.png")
	write(t, path, picture(t, 1))
	first, _ := start(t, dir, state)
	want := first.Items()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, bytes.Repeat([]byte{1}, int(info.Size()))) // other bytes of the same size …
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err) // … and time
	}
	second, _ := start(t, dir, state)
	if got := second.Items(); len(got) != 1 || got[0] != want[0] {
		t.Errorf("read again: %+v, want %+v", got, want)
	}
	write(t, state, []byte("{"))
	third, log := start(t, dir, state)
	if len(third.Items()) != 0 || !strings.Contains(log.String(), "index") {
		t.Errorf("with a damaged index: %+v\n%s", third.Items(), log)
	}
}

func TestFolderThatGoesAndComesBack(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "media")
	write(t, filepath.Join(dir, "a.png"), picture(t, 1))
	f, log := start(t, dir, "")
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for !strings.Contains(log.String(), "can't be read") {
		select {
		case <-time.After(settle):
		case <-deadline:
			t.Fatalf("nothing was said:\n%s", log)
		}
	}
	if names(f) != "a.png" {
		t.Errorf("items %q; the last ones should stay", names(f))
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, []byte("x"))
	if _, err := New(filepath.Join(dir, "missing"), Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := New(file, Config{}); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("file: %v", err)
	}
}

func TestNaturalCompare(t *testing.T) {
	order := []string{"1.png", "2.png", "010.png", "a.png", "B.png", "img2.png", "img10.png", "img10a.png"}
	for i := range order {
		for j := range order {
			got := naturalCompare(order[i], order[j])
			if (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%q and %q: %d", order[i], order[j], got)
			}
		}
	}
}
