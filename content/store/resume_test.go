package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/store"
	"vitrine/platform/disk"
)

// long is an asset of which a part is worth keeping.
var long = bytes.Repeat([]byte("0123456789abcdef"), 16<<10)

// suspend leaves the first n bytes of long in a folder.
func suspend(t *testing.T, dir string, n int) {
	t.Helper()
	s := open(t, dir)
	defer s.Close()
	w, err := s.Create(digest.Of(long), int64(len(long)))
	if err != nil {
		t.Fatal(err)
	}
	w.SetOrigin(store.Origin{Source: digest.Of([]byte("a")), ETag: `"v1"`})
	if _, err := w.Write(long[:n]); err != nil {
		t.Fatal(err)
	}
	w.Suspend()
}

// What can be gone on with is, and whatever is wrong with it costs bytes at most.
func TestResume(t *testing.T) {
	part := filepath.Join("incoming", digest.Of(long).Hex()+".part")
	note := filepath.Join("incoming", digest.Of(long).Hex()+".json")
	const n = 100_000
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string)
		kept  int64
	}{
		"as it was": {func(*testing.T, string) {}, n},
		"file is shorter than the note says": {func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, part), 70_000); err != nil {
				t.Fatal(err)
			}
		}, 70_000},
		"file is longer, by what nobody vouches for": {func(t *testing.T, dir string) {
			f, err := os.OpenFile(filepath.Join(dir, part), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString("garbage"); err != nil {
				t.Fatal(err)
			}
		}, n},
		"note is rubbish": {func(t *testing.T, dir string) { spoil(t, filepath.Join(dir, note), "{") }, 0},
		"note is of another size": {func(t *testing.T, dir string) {
			spoil(t, filepath.Join(dir, note), `{"size": 5, "durable": 3}`)
		}, 0},
		"note is missing": {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, note)) }, 0},
		"part is missing": {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, part)) }, 0},
		"part is a folder": {func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, part))
			if err := os.MkdirAll(filepath.Join(dir, part, "x"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			suspend(t, dir, n)
			test.spoil(t, dir)
			s := open(t, dir)
			w, err := s.Create(digest.Of(long), int64(len(long)))
			if err != nil {
				t.Fatal(err)
			}
			if w.Written() != test.kept {
				t.Fatalf("goes on at %d, want %d", w.Written(), test.kept)
			}
			if test.kept > 0 && w.Origin().ETag != `"v1"` {
				t.Errorf("origin %+v", w.Origin())
			}
			if _, err := w.Write(long[w.Written():]); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.Commit(), s.Verify(t.Context(), digest.Of(long))); err != nil {
				t.Error(err)
			}
			if left := tree(t, filepath.Join(dir, "incoming")); len(left) != 1 {
				t.Errorf("left %v", left)
			}
			if used, err := s.Used(); err != nil || used != int64(len(long)) {
				t.Errorf("%d bytes are used, %v", used, err)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestTooLittleToKeep(t *testing.T) {
	dir := t.TempDir()
	suspend(t, dir, 1000)
	if left := tree(t, filepath.Join(dir, "incoming")); len(left) != 1 {
		t.Errorf("left %v", left)
	}
}

// Two writers of one asset don't mix their bytes.
func TestTwoWriters(t *testing.T) {
	s := open(t, t.TempDir())
	var writers []*store.Writer
	for range 2 {
		w, err := s.Create(digest.Of(long), int64(len(long)))
		if err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	for at := 0; at < len(long); at += 1 << 10 {
		for _, w := range writers {
			if _, err := w.Write(long[at : at+1<<10]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, w := range writers {
		if err := errors.Join(w.Commit(), s.Verify(t.Context(), digest.Of(long))); err != nil {
			t.Error(err)
		}
	}
}

// Of an asset that takes long it is noted on the way how far it is.
func TestCheckpoint(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		w, err := s.Create(digest.Of(long), int64(len(long)))
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < 200_000; at += 10_000 {
			<-time.After(10 * time.Second)
			if _, err := w.Write(long[at : at+10_000]); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			// 70,000 bytes and 30 seconds after the last note there is another one.
			if want := int64((at + 10_000) / 70_000 * 70_000); s.Partial(digest.Of(long)) != want {
				t.Errorf("after %d bytes %d are noted, want %d", at+10_000, s.Partial(digest.Of(long)), want)
			}
		}
		w.Abort()
		s.Close()
	})
}

// A badDisk fails to sync files of one length.
type badDisk struct {
	disk.OS
	size int64
}

func (d badDisk) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	f, err := d.OS.OpenFile(path, flag, perm)
	if err != nil {
		return nil, err
	}
	return badFile{f, d.size}, nil
}

type badFile struct {
	disk.File
	size int64
}

func (f badFile) Sync() error {
	if info, err := f.Stat(); err == nil && info.Size() == f.size {
		return syscall.EIO
	}
	return f.File.Sync()
}

// Many assets go to the disk together; the one that it doesn't take, and the one that is wrong, are the only ones that fail.
func TestGroupOfCommits(t *testing.T) {
	s, err := store.Open(t.TempDir(), store.Config{FS: badDisk{size: 77}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			content := strings.Repeat("x", i+1)
			d := digest.Of([]byte(content))
			if i == 50 {
				content = strings.Repeat("y", i+1)
			}
			err := s.Put(d, int64(i+1), strings.NewReader(content))
			switch i + 1 {
			case 77:
				if !errors.Is(err, syscall.EIO) {
					t.Errorf("the file that can't be synced: %v", err)
				}
			case 51:
				if !is[*store.MismatchError](err) {
					t.Errorf("the wrong one: %v", err)
				}
			default:
				if err != nil {
					t.Errorf("%d: %v", i+1, err)
				}
			}
			if s.Has(d, int64(i+1)) != (err == nil) {
				t.Errorf("%d is there: %t", i+1, err != nil)
			}
		})
	}
	all.Wait()
}

// Beside a viewer that runs, the folder can be looked at, and stays as it is.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	d := put(t, s, "content")
	activate(t, s, "a", "b")
	if err := s.SetPin(d, &store.Pin{Size: 7}); err != nil {
		t.Fatal(err)
	}
	spoil(t, filepath.Join(dir, "generations.backup.json"), "{")
	before := tree(t, dir)
	r, err := store.Open(dir, store.Config{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	want(t, r, "b", "a")
	if _, pinned := r.Pins()[d]; !pinned || r.Verify(t.Context(), d) != nil {
		t.Error("the asset isn't pinned, or can't be read")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if after := tree(t, dir); !slices.Equal(after, before) {
		t.Errorf("folder holds %v, want %v", after, before)
	}
	if _, err := store.Open(filepath.Join(dir, "none"), store.Config{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that isn't there: %v", err)
	}
}

func TestPins(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	d := digest.Of(nil)
	pin := store.Pin{Since: time.Unix(1e9, 0).UTC(), Size: 5, Name: "x"}
	if err := s.SetPin(d, &pin); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, dir)
	if got := s.Pins()[d]; got != pin {
		t.Errorf("pin %+v", got)
	}
	if err := s.SetPin(d, nil); err != nil || len(s.Pins()) != 0 {
		t.Errorf("taken back: %v, %v", s.Pins(), err)
	}
	s.Close()
	spoil(t, filepath.Join(dir, "pins.json"), "[")
	s = open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "pins.json.damaged")); err != nil || len(s.Pins()) != 0 {
		t.Errorf("a damaged list: %v", err)
	}
}

// The reserve is a part of the disk, within bounds, unless the settings say what it is.
func TestReserveAndQuota(t *testing.T) {
	const gb = 1_000_000_000
	for _, test := range []struct {
		total   int64
		reserve store.Amount
		free    int64 // that must stay
	}{
		{gb, store.Amount{}, store.MinReserve},
		{20 * gb, store.Amount{}, gb},
		{1000 * gb, store.Amount{}, 2 << 30},
		{20 * gb, store.Amount{Percent: 10}, 2 * gb},
		{20 * gb, store.Amount{Bytes: 5}, 5},
	} {
		d := &sizedDisk{free: test.total, total: test.total}
		s, err := store.Open(t.TempDir(), store.Config{FS: d, Reserve: test.reserve})
		if err != nil {
			t.Fatal(err)
		}
		most := test.total - test.free
		if err := errors.Join(s.Room(most)); err != nil || s.Room(most+1) == nil {
			t.Errorf("%+v: %v, %v", test, err, s.Room(most+1))
		}
		s.Close()
	}
	d := &sizedDisk{free: 10 * gb, total: 10 * gb}
	s, err := store.Open(t.TempDir(), store.Config{FS: d, Quota: store.Amount{Percent: 50}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, "content")
	if err := s.Room(5*gb - 7); err != nil {
		t.Errorf("all of the quota: %v", err)
	}
	if err := s.Room(5*gb - 6); err == nil || !strings.Contains(err.Error(), "quota") {
		t.Errorf("a byte more: %v", err)
	}
}

// Those that weren't needed for the longest time go first, and no more than need be.
func TestEvict(t *testing.T) {
	d := &sizedDisk{free: 10_000 + store.MinReserve, total: 1e9}
	s, err := store.Open(t.TempDir(), store.Config{FS: d, Quota: store.Amount{Bytes: 100}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var ds []digest.Digest
	for i := range 5 {
		ds = append(ds, put(t, s, fmt.Sprintf("%d%s", i, strings.Repeat("x", 19))))
		s.Touch(time.Unix(1e9+int64(i*7%5), 0), ds[i]) // in the order 0 3 1 4 2
	}
	files, size, err := s.Evict(30, func(d digest.Digest) bool { return d == ds[0] })
	if files != 2 || size != 40 || err != nil {
		t.Errorf("%d files of %d bytes went, %v", files, size, err)
	}
	for i, there := range []bool{true, false, true, false, true} {
		if s.Has(ds[i], 20) != there {
			t.Errorf("%d is there: %t", i, !there)
		}
	}
}
