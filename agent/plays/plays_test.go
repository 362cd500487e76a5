package plays_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/agent/plays"
	"vitrine/agent/protocol"
)

func play(n int) protocol.Play {
	return protocol.Play{
		ID: fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ6%06d", n), Start: time.Date(2026, 11, 24, 8, 0, n, 0, time.UTC), Seconds: 10, Complete: true,
		Presentation: "welcome", Zone: "main", Item: n, Type: "image", Name: "a picture of some length.jpg", Trust: "ntp",
	}
}

func open(t *testing.T, dir string, c plays.Config) *plays.Spool {
	t.Helper()
	s, err := plays.Open(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run writes what was added, as at the end of the agent.
func run(t *testing.T, s *plays.Spool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// batch is the numbers of the plays that are next.
func batch(t *testing.T, s *plays.Spool) []int {
	t.Helper()
	payload, ok := s.Next()
	if !ok {
		return nil
	}
	p, err := protocol.ParsePlays(payload)
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, play := range p.Plays {
		numbers = append(numbers, play.Item)
	}
	return numbers
}

func upTo(from, to int) []int {
	var list []int
	for n := from; n < to; n++ {
		list = append(list, n)
	}
	return list
}

// What was added is on disk within 30 seconds, is sent in its order, and goes when it was sent.
func TestSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var told atomic.Int64
		s := open(t, dir, plays.Config{Written: func() { told.Add(1) }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		synctest.Wait()
		before := told.Load()
		for n := range 250 {
			s.Add(play(n))
		}
		s.Add(play(3)) // a page sends it again
		if got := batch(t, s); got != nil {
			t.Errorf("sent before it was on disk: %v", got)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if told.Load() != before+1 {
			t.Errorf("told %d times", told.Load()-before)
		}
		// A power cut: another spool finds all of it.
		if list, err := plays.List(dir); err != nil || len(list) != 250 || list[7].Sent {
			t.Errorf("%d on disk, %v", len(list), err)
		}
		for _, want := range [][]int{upTo(0, 100), upTo(100, 200), upTo(200, 250), nil} {
			again := batch(t, s)
			if got := batch(t, s); !slices.Equal(got, want) || !slices.Equal(again, want) {
				t.Fatalf("batch %v, want %v", got, want)
			}
			if want != nil {
				s.Sent()
			}
		}
		if waiting, lost := s.Status(); waiting != 0 || lost != 0 {
			t.Errorf("%d wait, %d lost", waiting, lost)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := open(t, dir, plays.Config{}); batch(t, s) != nil {
			t.Error("what was sent is sent again after a restart")
		}
	})
}

// After a power cut at any moment at most what was sent since the last note is sent again, and nothing is left out.
func TestPowerCutWhileSending(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, plays.Config{})
	for n := range 900 { // some segments
		s.Add(play(n))
	}
	run(t, s)
	next := 0
	for next < 900 {
		s = open(t, dir, plays.Config{})
		first := batch(t, s)
		if first[0] > next || first[0] < next-300 {
			t.Fatalf("after a cut at %d it goes on at %d", next, first[0])
		}
		for range 3 {
			got := batch(t, s)
			if len(got) == 0 {
				break
			}
			s.Sent()
			next = max(next, got[len(got)-1]+1)
		}
	}
	s = open(t, dir, plays.Config{})
	if waiting, lost := s.Status(); waiting > 300 || lost != 0 {
		t.Errorf("%d wait, %d lost", waiting, lost)
	}
}

// What a power cut leaves of the last line costs that line only, wherever it is cut.
func TestHalfALine(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, plays.Config{})
	for n := range 3 {
		s.Add(play(n))
	}
	run(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) {
		again := t.TempDir()
		if err := os.WriteFile(filepath.Join(again, filepath.Base(files[0])), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, again, plays.Config{})
		kept := bytes.Count(whole[:cut], []byte("\n"))
		if json.Valid(whole[bytes.LastIndexByte(whole[:cut], '\n')+1 : cut]) {
			kept++ // all but the line break
		}
		s.Add(play(9))
		run(t, s)
		want := append(upTo(0, min(kept, 3)), 9)
		var got []int
		for b := batch(t, s); b != nil; b = batch(t, s) {
			got = append(got, b...)
			s.Sent()
		}
		if !slices.Equal(got, want) {
			t.Fatalf("cut at %d: %v, want %v", cut, got, want)
		}
	}
}

// A long outage costs the oldest, and they are counted, also after a restart.
func TestLimit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, plays.Config{Limit: 300 << 10})
	const all = 3000
	for n := range all {
		s.Add(play(n))
		if n%500 == 499 {
			run(t, s)
		}
	}
	waiting, lost := s.Status()
	if waiting+int(lost) != all || waiting < 500 || lost == 0 {
		t.Errorf("%d wait, %d lost", waiting, lost)
	}
	if first := batch(t, s); first[0] != int(lost) {
		t.Errorf("the oldest is %d, and %d are lost", first[0], lost)
	}
	size := int64(0)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 300<<10 {
		t.Errorf("%d bytes on disk", size)
	}
	s.Add(play(all))
	run(t, s)
	if again, lostAgain := open(t, dir, plays.Config{}).Status(); again != waiting+1 || lostAgain != lost {
		t.Errorf("after a restart %d wait, %d lost; want %d, %d", again, lostAgain, waiting+1, lost)
	}
}

// A disk that takes nothing is told of, costs no play while memory lasts, and is written again when it can be.
func TestDiskThatTakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plays")
	var failed []error
	s := open(t, dir, plays.Config{Failed: func(err error) { failed = append(failed, err) }})
	s.Add(play(0))
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if len(failed) != 1 || !errors.Is(failed[0], os.ErrNotExist) {
		t.Errorf("told %v", failed)
	}
	if waiting, _ := s.Status(); waiting != 1 {
		t.Errorf("%d wait", waiting)
	}
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	if len(failed) != 2 || failed[1] != nil || !slices.Equal(batch(t, s), []int{0}) {
		t.Errorf("told %v", failed)
	}
	s.Sent()
}

// A server gets all plays, in their order, also while the disk takes none of them: first what is on it, then what is in memory.
func TestServerWithoutADisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plays")
	told := 0
	s := open(t, dir, plays.Config{Written: func() { told++ }})
	for n := range 10 {
		s.Add(play(n))
	}
	run(t, s)
	s = open(t, dir, plays.Config{Written: func() { told++ }}) // which is to begin a file
	if err := os.Rename(dir, dir+"-away"); err != nil {
		t.Fatal(err)
	}
	const all = 3000
	var got []int
	for n := 10; n < all; n++ {
		s.Add(play(n))
		if n%5 != 4 {
			continue
		}
		told = 0
		run(t, s)
		if told != 2 { // at its start, and for these
			t.Fatalf("told %d times", told)
		}
		for b := batch(t, s); b != nil; b = batch(t, s) {
			got = append(got, b...)
			s.Sent()
		}
	}
	if waiting, lost := s.Status(); waiting != 0 || lost != 0 || !slices.Equal(got, upTo(0, all)) {
		t.Errorf("%d were sent, %d wait, %d are lost", len(got), waiting, lost)
	}
	// One batch is on its way when the disk takes it after all, with a play that came meanwhile: a server may get it twice, and misses nothing.
	s.Add(play(all))
	run(t, s)
	on := batch(t, s)
	s.Add(play(all + 1))
	if err := os.Rename(dir+"-away", dir); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	s.Sent()
	if next := batch(t, s); !slices.Equal(on, []int{all}) || !slices.Equal(next, []int{all, all + 1}) {
		t.Errorf("%v was on its way, and %v is next", on, next)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "*2.jsonl")); err != nil || len(files) != 1 {
		t.Errorf("the file after the first isn't there: %v, %v", files, err)
	}
}

// A file that can't be read costs what is in it, for now: the others are sent, it is told, and it isn't touched. What comes next has a file of its own.
func TestUnreadableFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plays")
	s := open(t, dir, plays.Config{})
	s.Add(play(0))
	run(t, s)
	bad := filepath.Join(dir, "00000002.jsonl")
	if err := os.Mkdir(bad, 0o700); err != nil { // a folder can't be read as a file
		t.Fatal(err)
	}
	s, err := plays.Open(dir, plays.Config{})
	if err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("told %v", err)
	}
	s.Add(play(1))
	run(t, s)
	if got := batch(t, s); !slices.Equal(got, []int{0}) {
		t.Errorf("sent %v", got)
	}
	s.Sent()
	if got := batch(t, s); !slices.Equal(got, []int{1}) {
		t.Errorf("then %v", got)
	}
	s.Sent()
	if _, err := os.Stat(bad); err != nil {
		t.Error(err)
	}
}

// A folder that can't be listed may have files: what is played is kept beside them.
func TestUnlistedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plays")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var failed error
	s, err := plays.Open(dir, plays.Config{Failed: func(err error) { failed = err }})
	if err == nil {
		t.Error("nothing is told")
	}
	s.Add(play(1))
	run(t, s)
	if waiting, _ := s.Status(); waiting != 1 || failed == nil {
		t.Errorf("%d wait; told %v", waiting, failed)
	}
	unseen := []byte(`{"play":{"id":"01ARZ3NDEKTSV4RRFFQ6000000"}}`)
	if err := errors.Join(os.Remove(dir), os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "00000001.jsonl"), unseen, 0o600)); err != nil {
		t.Fatal(err)
	}
	for failed != nil {
		run(t, s)
	}
	if got := batch(t, s); !slices.Equal(got, []int{1}) {
		t.Errorf("sent %v", got)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "00000001.jsonl")); !bytes.Equal(data, unseen) {
		t.Errorf("there is %q, %v", data, err)
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(`{"play":{"id":"01ARZ3NDEKTSV4RRFFQ6000001","start":"2026-11-24T08:00:00Z"}}` + "\n" + `{"segment":1,"sent":1}` + "\n"))
	f.Add([]byte(`{"segment":1,"sent":-5}` + "\n" + `{"play":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "00000001.jsonl"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := plays.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, plays.Config{})
		sent := 0
		for b := batch(t, s); b != nil; b = batch(t, s) {
			sent += len(b)
			s.Sent()
		}
		unsent := 0
		for _, r := range list {
			if !r.Sent {
				unsent++
			}
		}
		if sent != unsent || strings.Contains(fmt.Sprint(list), "panic") {
			t.Errorf("%d were sent of %d", sent, unsent)
		}
	})
}
