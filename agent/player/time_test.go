package player_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/manifest"
)

// A world has the two clocks of an agent, each so far ahead of the real one as the test says.
type world struct{ civil, playout atomic.Int64 }

func (w *world) now() time.Time  { return time.Now().Add(time.Duration(w.civil.Load())).Round(0) }
func (w *world) play() time.Time { return time.Now().Add(time.Duration(w.playout.Load())).Round(0) }

func (w *world) config(l *library) player.Config {
	return player.Config{Assets: l.open, Now: w.now, Playout: w.play}
}

// grouped is a programme that counts by the clock that screens agree on.
func grouped(p player.Programme) player.Programme {
	p.Manifest.Sync = &manifest.Sync{Group: "wall"}
	return p
}

// The server that screens follow is more than an hour wrong, and a majority of others isn't. Positions go by the one where the manifest has a group, and by
// the others else; what people read is the time of day in both cases.
func TestTwoTimelines(t *testing.T) {
	t.Parallel()
	const round = 40 * time.Minute
	for _, group := range []bool{false, true} {
		t.Run(fmt.Sprint("group ", group), func(t *testing.T) {
			t.Parallel()
			l := newLibrary()
			w := &world{}
			w.playout.Store(int64(time.Hour)) // a round and a half
			plays := make(chan player.Play, 10)
			config := w.config(l)
			config.Played = func(p player.Play) error { plays <- p; return nil }
			p := start(t, config)
			programme := l.programme("one", still(l.picture(t, red), 1200), still(l.picture(t, green), 1200))
			want := int(time.Now().UnixMilli() % round.Milliseconds() / 1_200_000)
			if group {
				programme, want = grouped(programme), 1-want
			}
			show(t, p, programme)
			planned := p.Playing()[0]
			ctx := browse(t, p)
			awaitPlaying(t, p, "the page's word", isShown)
			shown := p.Playing()[0]
			if planned.Item != want || shown.Item != want {
				t.Errorf("planned is item %d, shown %d, right is %d", planned.Item, shown.Item, want)
			}
			if shown.Since.Sub(planned.Since).Abs() > 5*time.Millisecond || time.Since(shown.Since) > round || time.Until(shown.Since) > 0 {
				t.Errorf("shown since %v, planned since %v: not the time of day", shown.Since, planned.Since)
			}
			two := l.programme("two", still(l.picture(t, blue), 1200))
			show(t, p, two)
			browsertest.Wait(ctx, t, zoneIs("generation", two.Generation))
			select {
			case play := <-plays:
				if d := time.Since(play.Start.Add(play.Length)); d < -time.Second || d > patience {
					t.Errorf("stamped %v: not the time of day", play.Start)
				}
			case <-time.After(patience):
				t.Error("no play is told")
			}
		})
	}
}

// The clock steps, as when a device that booted in 1970 learns the time: what is on then is on the page at most ten seconds later, by itself,
// and the schedule is looked up anew.
func TestStepOfTheClockMovesThePage(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	w := &world{}
	w.civil.Store(int64(-time.Since(time.Unix(1000, 0))))
	w.playout.Store(w.civil.Load())
	p := start(t, w.config(l))
	first, second, third := l.picture(t, red), l.picture(t, green), l.picture(t, blue)
	programme := grouped(l.programme("one", still(first, 1e6), still(second, 86400)))
	programme.Manifest.Presentations["today"] = manifest.Presentation{Zones: []manifest.Zone{{ID: "main", W: 100, H: 100, Playlist: []manifest.Item{still(third, 86400)}}}}
	begin := time.Now().Add(-time.Hour)
	programme.Manifest.Schedule.Events = []manifest.Event{{Presentation: "today", Start: begin.Format(time.RFC3339), End: begin.Add(48 * time.Hour).Format(time.RFC3339)}}
	show(t, p, programme)
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, zoneIs("asset", first))
	w.playout.Add(int64(999_500 * time.Second)) // only this one: 500 s into the second item
	browsertest.Wait(ctx, t, zoneIs("asset", second))
	w.civil.Store(0)
	stepped := time.Now()
	browsertest.Wait(ctx, t, zoneIs("asset", third))
	if took := time.Since(stepped); took > 20*time.Second {
		t.Errorf("the step was noticed after %v", took)
	}
}

// What the page knows of the time is measured, told to the agent, and shown by identify.
func TestPageClockQuality(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	p := start(t, player.Config{Assets: l.open})
	if _, ok := p.PageClock(); ok {
		t.Error("a clock without a page")
	}
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.documentElement.dataset.clock === 'agent' && Number(document.documentElement.dataset.clockError) < 50`)
	for deadline := time.Now().Add(patience); ; {
		c, ok := p.PageClock()
		if ok && c.RoundTrip > 0 && c.Error >= c.RoundTrip/2 && c.Error < 50*time.Millisecond && time.Since(c.At) < patience {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the agent knows %+v", c)
		}
		browsertest.Eval[bool](ctx, t, `new Promise((done) => requestAnimationFrame(() => done(true)))`)
	}
	// Both are read within one turn of the browser, and the agent's is the system's.
	if off := browsertest.Eval[float64](ctx, t, `document.querySelector('vitrine-screen').clock.playout.now() - (performance.timeOrigin + performance.now())`); off < -50 || off > 50 {
		t.Errorf("the page's clock is %v ms off", off)
	}
	p.Identify("Lobby", time.Hour)
	browsertest.Wait(ctx, t, `!document.querySelector('vitrine-identify').hidden`)
	if line := browsertest.Eval[string](ctx, t, `document.querySelector('vitrine-identify .time').textContent`); !strings.Contains(line, "clock ± ") {
		t.Errorf("identify says %q", line)
	}
}
