package library_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
)

// scrub runs a scrub beside a viewer, until the test ends.
func scrub(t *testing.T, v *viewer, dir string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	s := &library.Scrub{Library: v.Library, File: filepath.Join(dir, "scrub.json")}
	go func() { done <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A record has the files that have changed by themselves.
type record struct {
	mu   sync.Mutex
	list []digest.Digest
}

func (r *record) keep(c *library.Config) {
	c.Damaged = func(d digest.Digest) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, d)
	}
}

func (r *record) has(ds ...digest.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Equal(r.list, ds)
}

// A bit that has flipped is found within the time of a round, and the file fetched again.
func TestScrub(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		var bad record
		v := startOn(t, dir, store.Config{}, s, false, bad.keep, func(c *library.Config) { c.Now = time.Now })
		pictures := []string{"1 whole", "2 " + strings.Repeat("flipped", 10_000), "3 whole"}
		v.want(s.publish("a", pictures...))
		rotten := digest.Of([]byte(pictures[1]))
		stop := scrub(t, v, dir)
		defer stop()
		<-time.After(time.Hour) // the first round is over
		synctest.Wait()
		change(t, file(dir, rotten), flip)
		<-time.After(6 * 24 * time.Hour)
		synctest.Wait()
		if !bad.has() {
			t.Error("it was found before the next round was due: it reads all the time")
		}
		<-time.After(2 * 24 * time.Hour)
		synctest.Wait()
		if !bad.has(rotten) {
			t.Errorf("found %v", bad.list)
		}
		if n := s.asked(rotten); n != 2 {
			t.Errorf("it was asked for %d times", n)
		}
		v.check(t, "a", "")
		stop()
	})
}

// A round goes on after a restart where it was, and not from the beginning.
func TestScrubKeepsItsPlace(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := startOn(t, dir, store.Config{}, s, false, func(c *library.Config) { c.Now = time.Now })
		var pictures []string
		for i := range 8 {
			pictures = append(pictures, strings.Repeat(string(rune('a'+i)), 1<<20)) // 16 s each at the slowest rate
		}
		v.want(s.publish("a", pictures...))
		stop := scrub(t, v, dir)
		<-time.After(time.Minute)
		stop()
		place, err := os.ReadFile(filepath.Join(dir, "scrub.json"))
		if err != nil || !strings.Contains(string(place), "sha256:") {
			t.Fatalf("kept %s, %v", place, err)
		}
		// What comes before that place isn't read again in this round.
		digests := make([]digest.Digest, len(pictures))
		for i, p := range pictures {
			digests[i] = digest.Of([]byte(p))
		}
		slices.SortFunc(digests, func(a, b digest.Digest) int { return slices.Compare(a[:], b[:]) })
		change(t, file(dir, digests[0]), flip)
		change(t, file(dir, digests[7]), flip)
		stop = scrub(t, v, dir)
		<-time.After(time.Hour)
		stop()
		synctest.Wait()
		if s.asked(digests[0]) != 1 || s.asked(digests[7]) != 2 {
			t.Errorf("the first was asked for %d times, the last %d times", s.asked(digests[0]), s.asked(digests[7]))
		}
	})
}

// A file that a page couldn't show is read at once, and mended if need be.
func TestCheck(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		v.want(s.publish("a", "picture"))
		d := digest.Of([]byte("picture"))
		if !v.Check(t.Context(), d) || s.asked(d) != 1 {
			t.Error("a whole file is bad")
		}
		change(t, file(dir, d), flip)
		if v.Check(t.Context(), d) {
			t.Error("a changed file is good")
		}
		synctest.Wait()
		v.check(t, "a", "")
		if !v.Check(t.Context(), digest.Of(nil)) {
			t.Error("what isn't there is bad")
		}
	})
}

// Verify finds what has changed and what is gone; with mend both come again.
func TestVerify(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		a := s.publish("a", "1 whole", "2 flipped", "3 gone")
		v.want(a)
		flipped, gone := digest.Of([]byte("2 flipped")), digest.Of([]byte("3 gone"))
		change(t, file(dir, flipped), flip)
		if err := os.Remove(file(dir, gone)); err != nil {
			t.Fatal(err)
		}
		for _, mend := range []bool{false, true} {
			found, err := v.Verify(t.Context(), mend, nil)
			if err != nil || found.Files != 3 || !slices.Equal(found.Bad, []digest.Digest{flipped}) || !slices.Equal(found.Missing, []digest.Digest{gone}) {
				t.Errorf("mend %t: %+v, %v", mend, found, err)
			}
		}
		synctest.Wait()
		v.check(t, "a", "")
		if found, err := v.Verify(t.Context(), false, nil); err != nil || found.Files != 4 || len(found.Bad)+len(found.Missing) != 0 {
			t.Errorf("afterwards: %+v, %v", found, err)
		}
	})
}

// What is pinned stays when its room is needed, and a programme is pinned with all its files.
func TestPin(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		for _, id := range []string{"a", "b", "c"} {
			if id == "b" {
				if item, err := v.Pin("a", false); err != nil || item.Name != "a" {
					t.Fatalf("pinned %+v, %v", item, err)
				}
			}
			v.want(s.publish(id, id+"1", id+"2"))
		}
		v.want(s.publish("d", "d1"))
		if _, _, err := v.Purge(); err != nil {
			t.Fatal(err)
		}
		for content, want := range map[string]bool{"a1": true, "a2": true, "b1": false, "c1": true, "d1": true} {
			if v.has(content) != want {
				t.Errorf("%s is there: %t", content, !want)
			}
		}
		v.stop()
		v = start(t, dir, s, true, nil)
		for name, want := range map[string]string{"nothing": "there is nothing called", "c": "is not pinned"} {
			if _, err := v.Pin(name, true); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
		if _, err := v.Pin("a", true); err != nil {
			t.Error(err)
		}
		if _, _, err := v.Purge(); err != nil || v.has("a1") {
			t.Errorf("after the pin was taken back: there %t, %v", v.has("a1"), err)
		}
	})
}

// What isn't needed goes when its room is, what wasn't needed for the longest time first.
func TestEvictionByAge(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		clock := time.Now()
		v := startOn(t, dir, store.Config{FS: sizedDisk{free: quota(dir, 10_000)}}, s, false, func(c *library.Config) { c.Now = func() time.Time { return clock } })
		picture := func(name string) string { return name + strings.Repeat("x", 2000) }
		for _, id := range []string{"a", "b", "c", "b", "d"} {
			clock = clock.Add(time.Hour)
			v.want(s.publish(id, picture(id)))
			v.check(t, id, "")
		}
		// Current is d, previous b; a hasn't been needed for longer than c.
		clock = clock.Add(time.Hour)
		v.want(s.publish("e", picture("e")))
		v.check(t, "e", "")
		for name, want := range map[string]bool{"a": false, "b": true, "c": true, "d": true, "e": true} {
			if v.has(picture(name)) != want {
				t.Errorf("%s is there: %t", name, !want)
			}
		}
	})
}

// A quota is kept although the disk has room.
func TestQuota(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := startOn(t, dir, store.Config{Quota: store.Amount{Bytes: 9000}}, s, false)
		v.want(s.publish("a", "1"+strings.Repeat("x", 3000)))
		v.want(s.publish("big", "2"+strings.Repeat("x", 9000)))
		v.check(t, "a", "quota")
		v.want(s.publish("b", "3"+strings.Repeat("x", 3000)))
		v.check(t, "b", "")
		v.want(s.publish("c", "4"+strings.Repeat("x", 500)))
		v.check(t, "c", "")
	})
}

// A file that a person has copied to its place is read before it counts.
func TestForeignFiles(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		good, bad := digest.Of([]byte("1 copied")), digest.Of([]byte("2 copied"))
		for d, content := range map[digest.Digest]string{good: "1 copied", bad: "2 kopied"} {
			if err := os.MkdirAll(filepath.Dir(file(dir, d)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file(dir, d), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		v := start(t, dir, s, false, nil)
		v.want(s.publish("a", "1 copied", "2 copied"))
		v.check(t, "a", "")
		if s.asked(good) != 0 || s.asked(bad) != 1 {
			t.Errorf("the right one was asked for %d times, the wrong one %d times", s.asked(good), s.asked(bad))
		}
	})
}

// Get waits for the end of the first try.
func TestGet(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v := start(t, dir, s, false, nil)
		if err := v.Get(t.Context(), s.publish("a", "1")); err != nil {
			t.Error(err)
		}
		v.check(t, "a", "")
		b := s.publish("b", "2")
		s.remove("2")
		if err := v.Get(t.Context(), b); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("what isn't there: %v", err)
		}
		synctest.Wait()
		v.check(t, "a", "404")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.held[digest.Of([]byte("3"))] = true
		if err := v.Get(ctx, s.publish("c", "3")); err == nil {
			t.Error("what never comes was got")
		}
		v.stop()
	})
}
