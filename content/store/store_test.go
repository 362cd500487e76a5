package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"vitrine/content/digest"
	"vitrine/content/store"
	"vitrine/platform/disk"
	"vitrine/platform/filelock"
)

func open(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *store.Store, content string) digest.Digest {
	t.Helper()
	d := digest.Of([]byte(content))
	if err := s.Put(d, int64(len(content)), strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return d
}

// tree lists every file and folder below dir.
func tree(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		names = append(names, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// place is where the documentation of the package says that an asset lies.
func place(dir string, d digest.Digest) string {
	return filepath.Join(dir, "assets", d.Hex()[:1], d.Hex())
}

func spoil(t testing.TB, path, content string) {
	t.Helper()
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestPutAndOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	d := digest.Of([]byte("content"))
	if s.Has(d, 7) {
		t.Error("there before it was put")
	}
	if _, err := s.Open(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening what isn't there: %v", err)
	}
	for range 2 { // to put what is there is no error
		put(t, s, "content")
	}
	f, err := s.Open(d)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	if info, err := os.Stat(place(dir, d)); err != nil || info.Mode().Perm()&0o222 != 0 {
		t.Errorf("an asset can be written: %v, %v", info.Mode(), err)
	}
	if !s.Has(d, 7) {
		t.Error("not there after it was put")
	}
	if err := s.Verify(context.Background(), d); err != nil {
		t.Error(err)
	}
	want := []string{".", "assets", "assets/" + d.Hex()[:1], "assets/" + d.Hex()[:1] + "/" + d.Hex(), "incoming", "lock"}
	if got := tree(t, dir); !slices.Equal(got, want) {
		t.Errorf("folder holds %v, want %v", got, want)
	}
}

func TestWrongBytesLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "something else")
	before := tree(t, dir)
	d := digest.Of([]byte("content"))
	broken := errors.New("the line broke")
	for name, test := range map[string]struct {
		r     io.Reader
		right func(error) bool
	}{
		"wrong bytes": {strings.NewReader("kontent"), is[*store.MismatchError]},
		"too few":     {strings.NewReader("conten"), is[*store.SizeError]},
		"none":        {strings.NewReader(""), is[*store.SizeError]},
		"too many":    {strings.NewReader("contents"), is[*store.SizeError]},
		"too many, in pieces": {iotest.OneByteReader(strings.NewReader("contents")),
			is[*store.SizeError]},
		"a broken line": {io.MultiReader(strings.NewReader("con"), iotest.ErrReader(broken)),
			func(err error) bool { return errors.Is(err, broken) }},
	} {
		if err := s.Put(d, 7, test.r); !test.right(err) {
			t.Errorf("%s: %v", name, err)
		}
		if after := tree(t, dir); !slices.Equal(after, before) {
			t.Errorf("%s left %v, want %v", name, after, before)
		}
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestWriter(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	d := digest.Of([]byte("content"))
	w, err := s.Create(d, 7)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "wrong")
	if n, err := io.WriteString(w, "much too long"); n != 0 || !is[*store.SizeError](err) || w.Written() != 5 {
		t.Errorf("past the size: wrote %d, %v; %d in all", n, err, w.Written())
	}
	if err := w.Restart(); err != nil || w.Written() != 0 {
		t.Fatalf("restart: %v, %d bytes", err, w.Written())
	}
	io.WriteString(w, "con")
	if s.Has(d, 7) || s.Has(d, 3) {
		t.Error("half an asset is there")
	}
	io.WriteString(w, "tent")
	if err := w.Commit(); err != nil || !s.Has(d, 7) {
		t.Errorf("commit: %v, there %t", err, s.Has(d, 7))
	}
	before := tree(t, dir)
	if w, err = s.Create(digest.Of(nil), 3); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "abc")
	w.Abort()
	if after := tree(t, dir); !slices.Equal(after, before) {
		t.Errorf("an abort left %v", after)
	}
}

func TestOpenRemovesWhatIsHalfWritten(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, "content")
	if _, err := store.Open(dir, store.Config{}); !errors.Is(err, filelock.ErrLocked) || !strings.Contains(err.Error(), "already running") {
		t.Errorf("second open: %v", err)
	}
	before := tree(t, dir)
	if w, err := s.Create(digest.Of(nil), 9); err != nil {
		t.Fatal(err)
	} else if _, err := io.WriteString(w, "half"); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(dir, ".generations.json.tmp-0123abcd")
	if err := os.WriteFile(leftover, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.Close()
	open(t, dir)
	if after := tree(t, dir); !slices.Equal(after, before) {
		t.Errorf("folder holds %v, want %v", after, before)
	}
}

func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	d := put(t, s, "content")

	// A caller with a wrong size must not cost the programme that plays its file.
	if s.Has(d, 8) || s.Adopt(t.Context(), d, 8) || !s.Has(d, 7) {
		t.Error("asking with a wrong size has cost a good file")
	}
	spoil(t, place(dir, d), "kontent")
	if err := s.Verify(context.Background(), d); !is[*store.MismatchError](err) {
		t.Errorf("a flipped byte: %v", err)
	}
	spoil(t, place(dir, d), "con")
	if s.Has(d, 7) || s.Adopt(t.Context(), d, 7) {
		t.Error("a file of the wrong length is there")
	}
	if _, err := s.Open(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it wasn't set aside: %v", err)
	}
	put(t, s, "content")
	if !s.Has(d, 7) {
		t.Error("it can't be mended")
	}
	s.SetAside(digest.Of(nil)) // isn't here: no harm
	s.Close()
	open(t, dir)
	if got := tree(t, filepath.Join(dir, "incoming")); len(got) != 1 {
		t.Errorf("set aside for ever: %v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Verify(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("verify, cancelled: %v", err)
	}
}

// A sizedDisk has as much room as a test says.
type sizedDisk struct {
	disk.OS
	free, total int64
	err         error
}

func (d *sizedDisk) Space(string) (free, total int64, err error) { return d.free, d.total, d.err }

func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	sized := &sizedDisk{free: store.MinReserve + 10, total: 1e9}
	s, err := store.Open(dir, store.Config{FS: sized})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before := tree(t, dir)
	_, err = s.Create(digest.Of(nil), 11)
	if e, ok := errors.AsType[*store.SpaceError](err); !ok || e.Need != 11 || e.Free != sized.free {
		t.Errorf("11 bytes: %v", err)
	}
	if err := s.Put(digest.Of(nil), 11, strings.NewReader("x")); !is[*store.SpaceError](err) {
		t.Errorf("put: %v", err)
	}
	if after := tree(t, dir); !slices.Equal(after, before) {
		t.Errorf("what doesn't fit left %v", after)
	}
	if err := s.Room(10); err != nil {
		t.Errorf("10 bytes: %v", err)
	}
	sized.free = 0
	if err := s.Room(0); err != nil {
		t.Errorf("nothing more on a full disk: %v", err)
	}
	sized.err = errors.ErrUnsupported
	if err := s.Room(1 << 40); err != nil {
		t.Errorf("where it isn't known: %v", err)
	}
	sized.err = fs.ErrPermission
	if err := s.Room(1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("where it can't be asked: %v", err)
	}
}

func TestOpenErrorsNameTheFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(filepath.Join(file, "content"), store.Config{})
	if err == nil || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "running") {
		t.Errorf("below a file: %v", err)
	}
}

func BenchmarkPut256KiB(b *testing.B) {
	s := open(b, b.TempDir())
	content := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	b.SetBytes(int64(len(content)))
	for i := 0; b.Loop(); i++ {
		content[0], content[1], content[2] = byte(i), byte(i>>8), byte(i>>16)
		if err := s.Put(digest.Of(content), int64(len(content)), bytes.NewReader(content)); err != nil {
			b.Fatal(err)
		}
	}
}
