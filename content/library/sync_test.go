package library_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
)

// in runs a test on virtual time, with a server and a folder.
func in(t *testing.T, test func(t *testing.T, s *site, dir string)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(t, &site{}, dir) })
}

func TestSync(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		v.check(t, "", "")
		a := s.publish("a", "one", "twenty", "three hundred")
		v.want(a)
		v.check(t, "a", "")
		g, ok := v.store.Current()
		if !ok || g != (store.Generation{Manifest: a.Digest, Size: a.Size, Signature: a.Signature, Activated: activatedAt}) {
			t.Errorf("current generation %+v", g)
		}
		first, last := v.progress[0], v.progress[len(v.progress)-1]
		if first != (library.Progress{Manifest: a.Digest, Files: 3, Bytes: 22}) {
			t.Errorf("first progress %+v", first)
		}
		if last != (library.Progress{Manifest: a.Digest, Files: 3, FilesDone: 3, Bytes: 22, BytesDone: 22}) {
			t.Errorf("last progress %+v", last)
		}
		v.want(a)
		if len(v.activated) != 1 {
			t.Errorf("activated %v", v.activated)
		}
	})
}

func TestReuseAndPurge(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		a, b, c := s.publish("a", "1 only a", "2 a and b"), s.publish("b", "2 a and b", "3 b and c"), s.publish("c", "3 b and c", "4 only c")
		for _, r := range []library.Ref{a, b} {
			v.want(r)
		}
		if n := s.asked(digest.Of([]byte("2 a and b"))); n != 1 {
			t.Errorf("what is on disk was asked for %d times", n)
		}
		if !v.has("1 only a") {
			t.Error("the previous programme lost a picture")
		}
		v.want(c)
		v.check(t, "c", "")
		// What has been fetched stays for as long as there is room: the programme may come back.
		if !v.has("1 only a") || !v.store.Has(a.Digest, a.Size) {
			t.Error("what the last programme but one had is gone, though there was room")
		}
		if files, size, err := v.Purge(); files != 2 || size != a.Size+8 || err != nil {
			t.Errorf("purged %d files of %d bytes, %v", files, size, err)
		}
		for content, want := range map[string]bool{"1 only a": false, "2 a and b": true, "3 b and c": true, "4 only c": true} {
			if v.has(content) != want {
				t.Errorf("%s is there: %t", content, !want)
			}
		}
		if v.store.Has(a.Digest, a.Size) || !v.store.Has(b.Digest, b.Size) || !v.store.Has(c.Digest, c.Size) {
			t.Error("the wrong manifests were removed")
		}
	})
}

func TestNewerWantSupersedes(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		a, b := s.publish("a", "1", "2"), s.publish("b", "2", "3")
		s.held[digest.Of([]byte("1"))] = true
		v.want(a)
		v.check(t, "", "")
		v.want(b)
		v.check(t, "b", "")
		if len(s.left) != 1 || !strings.HasSuffix(s.left[0], digest.Of([]byte("1")).String()) {
			t.Errorf("requests that ended: %v", s.left)
		}
		if len(v.activated) != 1 {
			t.Errorf("activated %v", v.activated)
		}
		v.want(a) // and back again: nothing is stuck
		v.check(t, "b", "")
		v.stop()
	})
}

func TestWhatFailsLeavesTheActiveOne(t *testing.T) {
	const pictureB = "B's picture"
	for name, test := range map[string]struct {
		spoil func(s *site, v *viewer, r *library.Ref)
		fault string
		final bool
	}{
		"bad signature": {func(_ *site, _ *viewer, r *library.Ref) { r.Signature = strings.Replace(r.Signature, "..", "..A", 1) }, "signature", true},
		"no signature":  {func(_ *site, _ *viewer, r *library.Ref) { r.Signature = "" }, "signature", true},
		"refused":       {func(_ *site, v *viewer, _ *library.Ref) { v.refuse = errors.New("a schedule from the moon") }, "moon", true},
		"invalid manifest": {func(s *site, _ *viewer, r *library.Ref) {
			s.put(digest.Of([]byte("{}")), "{}")
			*r = sign([]byte("{}"))
		}, "version", true},
		"size of nothing":  {func(_ *site, _ *viewer, r *library.Ref) { r.Size = 0 }, "out of range", true},
		"size of 1 GB":     {func(_ *site, _ *viewer, r *library.Ref) { r.Size = 1 << 30 }, "out of range", true},
		"wrong size":       {func(_ *site, _ *viewer, r *library.Ref) { r.Size++ }, "too few bytes", false},
		"missing manifest": {func(s *site, _ *viewer, r *library.Ref) { delete(s.files, r.Digest) }, "manifest: server.example: it answered 404", false},
		"wrong manifest":   {func(s *site, _ *viewer, r *library.Ref) { s.put(r.Digest, strings.Repeat("x", int(r.Size))) }, "wrong bytes", false},
		"missing asset":    {func(s *site, _ *viewer, _ *library.Ref) { s.remove(pictureB) }, `"picture B"`, false},
		"wrong asset":      {func(s *site, _ *viewer, _ *library.Ref) { s.put(digest.Of([]byte(pictureB)), "b's picture") }, "wrong bytes", false},
		"short asset":      {func(s *site, _ *viewer, _ *library.Ref) { s.put(digest.Of([]byte(pictureB)), "B's") }, "too few bytes", false},
		"no server":        {func(_ *site, v *viewer, _ *library.Ref) { v.offline = true }, "no server", false},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, s *site, dir string) {
				v := start(t, dir, s, false, nil)
				a, b := s.publish("a", "1"), s.publish("b", "1", pictureB, "3")
				v.want(a)
				before := v.generations()
				good := b
				test.spoil(s, v, &b)
				v.want(b)
				v.check(t, "a", test.fault)
				if v.generations() != before {
					t.Errorf("generations %s, want %s", v.generations(), before)
				}
				faults := v.faultCount()
				<-time.After(10 * time.Minute)
				synctest.Wait()
				if retried := v.faultCount() > faults; retried == test.final {
					t.Errorf("tried again by itself: %t", retried)
				}
				faults = v.faultCount()
				v.Refresh()
				synctest.Wait()
				if v.faultCount() != faults+1 {
					t.Errorf("Refresh: %d tries, want 1", v.faultCount()-faults)
				}
				v.check(t, "a", test.fault)

				// Once the cause is gone, the same programme comes.
				s.publish("b", "1", pictureB, "3")
				v.mu.Lock()
				v.refuse, v.offline = nil, false
				v.mu.Unlock()
				v.Want(good)
				v.Refresh()
				<-time.After(10 * time.Minute)
				synctest.Wait()
				v.check(t, "b", "")
			})
		})
	}
}

// What the other workers have brought isn't lost when one asset can't be had.
func TestOneMissingAssetDoesntStopTheOthers(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		pictures := strings.Fields("0 1 2 3 4 5 6 7 8 9")
		a := s.publish("a", pictures...)
		s.remove("0")
		v.want(a)
		v.check(t, "", `"picture 0"`)
		for _, p := range pictures[1:] {
			if n := s.asked(digest.Of([]byte(p))); n != 1 || !v.has(p) {
				t.Errorf("picture %s: asked for %d times, there: %t", p, n, v.has(p))
			}
		}
		s.put(digest.Of([]byte("0")), "0")
		v.Refresh()
		synctest.Wait()
		v.check(t, "a", "")
	})
}

// A manifest with a wrong size for a file that plays must not cost that file.
func TestWrongSizeOfAnAssetThatPlays(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		v.want(s.publish("a", "picture"))
		document := []byte(strings.Replace(string(compose("b", "picture")), `"size": 7`, `"size": 8`, 1))
		s.put(digest.Of(document), string(document))
		v.want(sign(document))
		v.check(t, "a", "too few bytes")
		if !v.has("picture") {
			t.Error("the picture that plays was set aside")
		}
	})
}

// quota is a disk for so many bytes of content.
func quota(dir string, bytes int64) func(string) (int64, error) {
	return func(string) (int64, error) {
		used := int64(0)
		err := filepath.WalkDir(filepath.Join(dir, "assets"), func(_ string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				info, _ := e.Info()
				used += info.Size()
			}
			return err
		})
		return store.MinReserve + bytes - used, err
	}
}

func TestNoRoom(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, quota(dir, 10_000))
		v.want(s.publish("a", "1"+strings.Repeat("x", 3000)))
		asked := s.assetsAsked()
		v.want(s.publish("big", "2"+strings.Repeat("x", 4000), "3"+strings.Repeat("x", 4000)))
		v.check(t, "a", "the disk is too small")
		if _, ok := errors.AsType[*store.SpaceError](v.faults[len(v.faults)-1]); !ok {
			t.Errorf("fault %T", v.faults[len(v.faults)-1])
		}
		if n := s.assetsAsked() - asked; n != 0 {
			t.Errorf("%d assets were asked for all the same", n)
		}
		// What a programme that never came about has left behind is removed when its room is needed.
		v.want(s.publish("half", "4"+strings.Repeat("x", 3000), "5"))
		v.check(t, "half", "")
		s.publish("lost", "6"+strings.Repeat("x", 1500), "7")
		s.remove("7")
		v.want(sign(compose("lost", "6"+strings.Repeat("x", 1500), "7")))
		v.check(t, "half", "404")
		v.want(s.publish("c", "8"+strings.Repeat("x", 1900)))
		v.check(t, "c", "")
		if v.has("6" + strings.Repeat("x", 1500)) {
			t.Error("what nobody needs stayed")
		}
	})
}
