package player

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// watched is a player whose clock is watched, on the virtual time of a bubble. The event is on from the second minute to the fourth.
func watched(t *testing.T, c Config) *Player {
	t.Helper()
	begin := time.Now()
	p := New(c)
	err := p.Show(Programme{Generation: digest.Of([]byte("one")), Manifest: &manifest.Manifest{
		Presentations: map[string]manifest.Presentation{
			"welcome": {Zones: []manifest.Zone{{ID: "main", Playlist: []manifest.Item{{Type: manifest.Text, Text: "a", Seconds: 1}}}}},
			"lunch":   {Zones: []manifest.Zone{{ID: "main", Playlist: []manifest.Item{{Type: manifest.Text, Text: "b", Seconds: 1}}}}},
		},
		Schedule: manifest.Schedule{Default: "welcome", Events: []manifest.Event{{
			Presentation: "lunch", Start: begin.Add(2 * time.Minute).Format(time.RFC3339), End: begin.Add(4 * time.Minute).Format(time.RFC3339),
		}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Watch(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return p
}

// on is what is on after some time.
func on(p *Player, after time.Duration) string {
	<-time.After(after)
	synctest.Wait()
	return p.Playing()[0].Presentation
}

func TestPresentationsChangeOnTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := watched(t, Config{})
		for _, c := range []struct {
			after time.Duration
			want  string
		}{{0, "welcome"}, {2*time.Minute - time.Millisecond, "welcome"}, {11 * time.Millisecond, "lunch"}, {2 * time.Minute, "welcome"}} {
			if got := on(p, c.after); got != c.want {
				t.Errorf("%v later %q is on, want %q", c.after, got, c.want)
			}
		}
	})
}

// Nothing tells the player that the clock was set or is trusted now; it looks at least once a minute.
func TestClockStepsAreNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step atomic.Int64
		var distrusted atomic.Bool
		p := watched(t, Config{
			Now:     func() time.Time { return time.Now().Add(time.Duration(step.Load())) },
			Trusted: func() bool { return !distrusted.Load() },
		})
		synctest.Wait()
		step.Store(int64(2 * time.Minute))
		if got := on(p, time.Minute); got != "lunch" {
			t.Errorf("a minute after the clock was set %q is on", got)
		}
		step.Store(int64(time.Minute))
		distrusted.Store(true)
		if got := on(p, time.Minute); got != "welcome" {
			t.Errorf("a minute after trust was lost %q is on", got)
		}
	})
}

// A programme that makes no sense must not end the one that plays.
func TestBadProgrammeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := watched(t, Config{})
		for _, bad := range []Programme{{}, {Manifest: &manifest.Manifest{Schedule: manifest.Schedule{Default: "nothing"}}}} {
			if err := p.Show(bad); err == nil {
				t.Errorf("%+v was taken", bad)
			}
		}
		if got := on(p, 0); got != "welcome" {
			t.Errorf("%q is on", got)
		}
	})
}
