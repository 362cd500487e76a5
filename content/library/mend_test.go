package library_test

import (
	"bytes"
	"crypto/ed25519"
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
	"vitrine/platform/disk"
)

// cannot are ways in which a programme can't be had, though the server is there.
var cannot = map[string]struct {
	publish func(s *site) library.Ref
	fault   string
}{
	"a file is missing": {func(s *site) library.Ref {
		r := s.publish("lost", "5 lost")
		s.remove("5 lost")
		return r
	}, "404"},
	"too large": {func(s *site) library.Ref { return s.publish("large", "6"+strings.Repeat("x", 20_000)) }, "too small"},
	"a forgery": {func(s *site) library.Ref {
		r := s.publish("forged", "7 forged")
		r.Signature = sign([]byte("other")).Signature
		return r
	}, "signature"},
}

// A file of the programme that plays is mended, though another programme is wanted and can't be had.
func TestMendedBesideWhatCannotBeHad(t *testing.T) {
	for name, test := range cannot {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, s *site, dir string) {
				v := start(t, dir, s, false, quota(dir, 10_000))
				v.want(s.publish("a", "1 whole", "2 damaged"))
				wanted := test.publish(s)
				v.want(wanted)
				v.check(t, "a", test.fault)
				s.remove("2 damaged")
				change(t, file(dir, digest.Of([]byte("2 damaged"))), flip)
				v.Check(t.Context(), digest.Of([]byte("2 damaged")))
				<-time.After(10 * time.Minute)
				synctest.Wait()
				asked := s.asked(wanted.Digest)
				s.put(digest.Of([]byte("2 damaged")), "2 damaged")
				<-time.After(10 * time.Minute)
				synctest.Wait()
				v.check(t, "a", test.fault)
				if fault := v.lastFault(); strings.Contains(fault.Error(), "picture 2") {
					t.Errorf("once it is mended the fault is %q", fault)
				}
				if s.asked(wanted.Digest) != asked {
					t.Error("what is wanted is asked for again and again, though only another manifest could help")
				}
			})
		})
	}
}

// A damaged programme is mended and plays again, and not the one before it, though another one is wanted and can't be had.
func TestDamagedCurrentBesideWhatCannotBeHad(t *testing.T) {
	for way, test := range cannot {
		for name, damage := range damages {
			t.Run(way+", "+name, func(t *testing.T) {
				in(t, func(t *testing.T, s *site, dir string) {
					a, b := two(t, dir, s)
					damage(t, dir, b)
					v := start(t, dir, s, true, quota(dir, 10_000))
					v.mu.Lock()
					v.offline = false
					v.mu.Unlock()
					v.want(test.publish(s))
					<-time.After(time.Minute) // once b is there, what it needs is known
					synctest.Wait()
					v.check(t, "b", test.fault)
					if v.generations() != generations(b, a) {
						t.Errorf("generations %s, want %s", v.generations(), generations(b, a))
					}
				})
			})
		}
	}
}

// If neither programme can be played, and the server has the earlier one alone, that plays.
func TestEarlierProgrammeIsMended(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		a, b := two(t, dir, s)
		change(t, file(dir, a.Digest), flip)
		change(t, file(dir, b.Digest), flip)
		s.remove(string(compose("b", "both", "only b")))
		v := start(t, dir, s, false, nil)
		v.check(t, "a", "404")
		v.stop()
		s.publish("b", "both", "only b")
		start(t, dir, s, false, nil).check(t, "b", "")
	})
}

// A way back that isn't there doesn't cost the programme that is on its way.
func TestRollbackToNothing(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		v.want(s.publish("a", "1"))
		s.held[digest.Of([]byte("2"))] = true
		v.want(s.publish("b", "2"))
		s.mu.Lock()
		clear(s.held) // of the next tries
		s.mu.Unlock()
		if _, _, err := v.Rollback(); err == nil {
			t.Fatal("went back to nothing")
		}
		synctest.Wait()
		v.check(t, "b", "")
	})
}

// picture is one of 2,000 bytes.
func picture(name string) string { return name + strings.Repeat("x", 2000) }

// A manifest on a disk that is full of what is kept is damaged, and somebody else has taken a little of the disk: the programme comes again, and others do.
func TestDamagedManifestOnAFullDisk(t *testing.T) {
	for _, still := range []bool{true, false} {
		in(t, func(t *testing.T, s *site, dir string) {
			var taken int64
			free := quota(dir, 12_000)
			left := func(path string) (int64, error) {
				n, err := free(path)
				return n - taken, err
			}
			v := start(t, dir, s, false, left)
			var last library.Ref
			for _, id := range []string{"0", "1", "2", "3", "4", "5", "6"} {
				last = s.publish(id, picture(id))
				v.want(last)
				v.check(t, id, "")
			}
			v.stop()
			change(t, file(dir, last.Digest), flip)
			taken = 3000
			if !still {
				s.remove(string(compose("6", picture("6"))))
			}
			v = start(t, dir, s, false, left)
			eventually()
			if still {
				v.check(t, "6", "")
			} else {
				v.check(t, "5", "404")
			}
			v.want(s.publish("7", picture("7")))
			eventually()
			v.check(t, "7", "")
		})
	}
}

// A viewer that another site has taken in gets its programme, though the disk is full of what it had. If that plays, and there isn't room for both, it plays on
// until the next start.
func TestNewKeyOnAFullDisk(t *testing.T) {
	for name, test := range map[string]struct {
		ids     string
		size    int
		restart bool
	}{
		"full of what is kept":       {"012", 2000, false},
		"full of both programmes":    {"01", 3500, false},
		"full of the one that plays": {"0", 6800, true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, s *site, dir string) {
				mine := siteKey
				defer func() { siteKey = mine }()
				full := store.Config{Quota: store.Amount{Bytes: 9000}}
				v := startOn(t, dir, full, s, false)
				var last string
				for _, id := range test.ids {
					last = string(id)
					v.want(s.publish(last, last+strings.Repeat("x", test.size)))
				}
				v.check(t, last, "")
				siteKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
				other := s.publish("other", picture("4"))
				v.want(other)
				eventually()
				if test.restart {
					v.check(t, last, "quota")
					v.stop()
					v = startOn(t, dir, full, s, false)
					v.want(other)
					eventually()
				}
				v.check(t, "other", "")
				v.stop()
				start(t, dir, s, true, nil).check(t, "other", "")
			})
		})
	}
}

// Nothing is purged while it isn't known what the current programme needs.
func TestPurgeWithADamagedManifest(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		_, b := two(t, dir, s)
		change(t, file(dir, b.Digest), flip)
		v := start(t, dir, s, true, nil)
		if files, _, err := v.Purge(); err == nil || files != 0 || !v.has("both") {
			t.Errorf("purged %d files, %v", files, err)
		}
	})
}

// What is there of the only programme plays after a start, and the rest comes once there is a server; against a whole one before it that plays.
func TestPartOfAProgramme(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		v.want(s.publish("a", "1 whole", "2 damaged", "3 whole"))
		v.mu.Lock()
		v.offline = true
		v.mu.Unlock()
		change(t, file(dir, digest.Of([]byte("2 damaged"))), flip)
		v.Check(t.Context(), digest.Of([]byte("2 damaged")))
		v.stop()
		v = start(t, dir, s, true, nil)
		if a, ok := v.Active(); !ok || a.Manifest.ID != "a" || v.lastFault() == nil {
			t.Errorf("plays %+v, %v, fault %v", a.Manifest, ok, v.lastFault())
		}
		v.mu.Lock()
		v.offline = false
		v.mu.Unlock()
		v.Refresh()
		synctest.Wait()
		v.check(t, "a", "")
	})
}

// unread is a disk that can't read a file for a moment.
type unread struct {
	disk.OS
	path string
	now  atomic.Bool
}

func (d *unread) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	if d.now.Load() && path == d.path {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EIO}
	}
	return d.OS.OpenFile(path, flag, perm)
}

// A file that the disk can't read for a moment isn't lost; one that it can never read again is fetched in its place.
func TestUnreadForAMoment(t *testing.T) {
	for _, moment := range []bool{true, false} {
		in(t, func(t *testing.T, s *site, dir string) {
			d := digest.Of([]byte("2 unread"))
			hurt := &unread{path: file(dir, d)}
			v := startOn(t, dir, store.Config{FS: hurt}, s, false)
			v.want(s.publish("a", "1 whole", "2 unread"))
			v.mu.Lock()
			v.offline = true
			v.mu.Unlock()
			hurt.now.Store(true)
			if v.Check(t.Context(), d) {
				t.Error("what can't be read is good")
			}
			synctest.Wait()
			if moment {
				hurt.now.Store(false)
				eventually()
				v.check(t, "a", "no server")
				v.stop()
				startOn(t, dir, store.Config{FS: hurt}, s, true).check(t, "a", "")
				return
			}
			asked := s.asked(d)
			v.mu.Lock()
			v.offline = false
			v.mu.Unlock()
			eventually()
			hurt.now.Store(false)
			v.check(t, "a", "")
			if s.asked(d) == asked {
				t.Error("it isn't fetched again")
			}
		})
	}
}
