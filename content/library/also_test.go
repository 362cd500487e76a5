package library_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/store"
)

// beside is a file that is wanted beside a programme.
func beside(content string) library.File {
	return library.File{Digest: digest.Of([]byte(content)), Size: int64(len(content)), Type: "application/octet-stream"}
}

// startAlso runs a library, and notes what it tells of what is wanted beside the programme.
func startAlso(t *testing.T, dir string, c store.Config, s *site) (v *viewer, told *[]error) {
	told = new([]error)
	v = startOn(t, dir, c, s, false, func(c *library.Config) { c.Also = func(err error) { *told = append(*told, err) } })
	return v, told
}

// A file beside the programme comes after it, stays for as long as it is wanted, and disturbs nothing.
func TestAlso(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v, told := startAlso(t, dir, store.Config{}, s)
		program := beside("program")
		s.put(program.Digest, "program")
		a, b := s.publish("a", "one"), s.publish("b", "two")
		v.Also(program)
		v.want(a)
		v.check(t, "a", "")
		if !v.has("program") || len(*told) == 0 || (*told)[len(*told)-1] != nil {
			t.Errorf("told %v", *told)
		}
		if _, _, err := v.Purge(); err != nil || !v.has("program") {
			t.Errorf("it was purged while it is wanted (%v)", err)
		}
		v.want(b)
		v.check(t, "b", "")
		v.Also()
		synctest.Wait()
		if _, _, err := v.Purge(); err != nil || v.has("program") {
			t.Errorf("it stays though nobody wants it (%v)", err)
		}
	})
}

// It is tried again while it can't be had, also if the programme can't be had either, and the programme's own fault stays its own.
func TestAlsoIsTriedAgain(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v, told := startAlso(t, dir, store.Config{}, s)
		program := beside("program")
		a := s.publish("a", "one")
		v.want(a)
		v.Also(program)
		synctest.Wait()
		v.check(t, "a", "")
		if len(*told) != 1 || (*told)[0] == nil || !strings.Contains((*told)[0].Error(), "404") {
			t.Errorf("told %v", *told)
		}
		v.want(library.Ref{Digest: program.Digest, Size: 1, Signature: "x"}) // a programme that can't be had
		s.put(program.Digest, "program")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !v.has("program") || (*told)[len(*told)-1] != nil {
			t.Errorf("told %v", *told)
		}
	})
}

// A programme that is wanted meanwhile comes first, and what has come of the file isn't lost.
func TestProgrammeComesBeforeAlso(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		v, _ := startAlso(t, dir, store.Config{}, s)
		content := strings.Repeat("0123456789abcdef", 32<<10)
		program := beside(content)
		s.put(program.Digest, content)
		s.slow = map[digest.Digest]bool{program.Digest: true}
		a := s.publish("a", "one")
		v.Also(program)
		time.Sleep(time.Minute)
		v.want(a)
		v.check(t, "a", "")
		if v.has(content) {
			t.Fatal("it has come already: this tests nothing")
		}
		if v.store.Partial(program.Digest) == 0 {
			t.Error("what had come of it is lost")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if !v.has(content) {
			t.Error("it doesn't come any more")
		}
	})
}

// What doesn't fit is said, and the programme plays on.
func TestAlsoDoesntFit(t *testing.T) {
	in(t, func(t *testing.T, s *site, dir string) {
		free := sizedDisk{free: func(string) (int64, error) { return 100e6 + 2000, nil }}
		v, told := startAlso(t, dir, store.Config{FS: free, Reserve: store.Amount{Bytes: 100e6}}, s)
		a := s.publish("a", "one")
		v.want(a)
		v.Also(beside(strings.Repeat("x", 5000)))
		synctest.Wait()
		v.check(t, "a", "")
		if len(*told) != 1 || !strings.Contains((*told)[0].Error(), "too small") {
			t.Errorf("told %v", *told)
		}
	})
}
