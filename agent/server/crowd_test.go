package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/session"
)

// crowdSize is how many viewers lose their server at once.
const crowdSize = 1000

// Viewers that lost their server all at once come back all, and not all at once.
func TestCrowdComesBack(t *testing.T) {
	state := t.TempDir()
	c := config(t, state)
	c.Log = slog.New(slog.DiscardHandler) // or it would be most of the work
	s, stop := start(t, c)
	c.Listen = s.Addr().String()
	token, err := s.Site().CreateToken(time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan time.Time, 100*crowdSize)
	ctx, cancel := context.WithCancel(context.Background())
	var sessions sync.WaitGroup
	defer func() {
		cancel()
		sessions.Wait()
	}()
	dir := t.TempDir()
	for i := range crowdSize {
		id := opened(t, filepath.Join(dir, fmt.Sprint(i)))
		if err := id.Enrol(t.Context(), c.Listen, token, fmt.Sprint(i), protocol.Device{}, now); err != nil {
			t.Fatal(err)
		}
		v := crowdSession(t, id, c.Listen, filepath.Join(dir, fmt.Sprint(i), "journal.jsonl"), up)
		sessions.Go(func() { _ = v.Run(ctx) })
	}
	arrive := func() []time.Time {
		t.Helper()
		var list []time.Time
		for deadline := time.After(time.Minute); len(list) < crowdSize; {
			select {
			case at := <-up:
				list = append(list, at)
			case <-deadline:
				t.Fatalf("%d of %d are back", len(list), crowdSize)
			}
		}
		slices.SortFunc(list, time.Time.Compare)
		return list
	}
	arrive()
	stop()
	start(t, c)
	list := arrive()
	from := 0
	for i, at := range list {
		for at.Sub(list[from]) > 100*time.Millisecond {
			from++
		}
		if n := i - from + 1; n > crowdSize/2 {
			t.Fatalf("%d of %d came within 100 ms", n, crowdSize)
		}
	}
	t.Logf("all are back %v after the first", list[len(list)-1].Sub(list[0]))
}

func crowdSession(t *testing.T, id *identity.Identity, addr, journal string, up chan<- time.Time) *session.Session {
	t.Helper()
	v, err := session.New(session.Config{
		Identity: sessionIdentity{id},
		Servers:  func() []session.Candidate { return []session.Candidate{{Addr: addr}} },
		Place:    func() session.Place { return session.Place{} },
		Discover: func(context.Context, func(session.Candidate)) error { return nil },
		Report:   func() protocol.Reported { return protocol.Reported{Name: "x"} },
		Desired:  func(protocol.Desired) {},
		Journal:  journal,
		Changed: func(s protocol.SessionStatus) {
			if s.Up() {
				up <- time.Now()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
