package server

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

func somePlays(from, to int, start time.Time) []protocol.Play {
	var list []protocol.Play
	for n := from; n < to; n++ {
		list = append(list, protocol.Play{ID: fmt.Sprintf("01ARZ3NDEKTSV4RRFFQ6%06d", n), Start: start.Add(time.Duration(n) * time.Second), Seconds: 10, Item: n})
	}
	return list
}

// A play that comes again, because its acknowledgement got lost, counts once: at once, after a restart, and across the end of a month.
func TestPlaysCountOnce(t *testing.T) {
	dir := t.TempDir()
	const viewer = "01m878t9d79pg38cpjsfjp2kk4"
	now := time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC)
	reopen := func() *register {
		r, err := newRegister(dir)
		if err != nil {
			t.Fatal(err)
		}
		r.now = func() time.Time { return now }
		return r
	}
	r := reopen()
	for _, c := range []struct {
		from, to, fresh int
		restart         bool
	}{{0, 100, 100, false}, {0, 100, 0, false}, {50, 150, 50, false}, {0, 150, 0, true}, {100, 250, 100, false}, {150, 350, 100, true}} {
		if c.restart {
			r, now = reopen(), now.Add(time.Minute)
		}
		if fresh, err := r.add(viewer, somePlays(c.from, c.to, now)); err != nil || fresh != c.fresh {
			t.Errorf("%d to %d: %d are new, %v; want %d", c.from, c.to, fresh, err, c.fresh)
		}
	}
	files, err := playFiles(filepath.Join(r.dir, viewer))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	seen := map[string]int{}
	for _, file := range files {
		if err := readPlays(file, func(p protocol.Play) { seen[p.ID]++ }); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 350 {
		t.Errorf("%d plays", len(seen))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", id, n)
		}
	}

	// What a power cut left half written costs itself only.
	f, err := os.OpenFile(files[1], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":"01ARZ3`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r = reopen()
	if fresh, err := r.add(viewer, somePlays(349, 351, now)); err != nil || fresh != 1 {
		t.Errorf("after a cut %d are new, %v", fresh, err)
	}
	count := 0
	if err := readPlays(files[1], func(protocol.Play) { count++ }); err != nil || count != 201 {
		t.Errorf("%d plays in %s, %v", count, files[1], err)
	}

	// Old months go when a new one begins.
	now = now.AddDate(0, playsKept, 0)
	if _, err := r.add(viewer, somePlays(400, 401, now)); err != nil {
		t.Fatal(err)
	}
	if files, _ = playFiles(filepath.Join(r.dir, viewer)); len(files) != 1 {
		t.Errorf("%v are kept", files)
	}
	if _, err := r.add("../x", somePlays(0, 1, now)); err == nil {
		t.Error("a viewer of no id is taken")
	}
}
