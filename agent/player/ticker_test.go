package player_test

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/content/manifest"
)

// Where a running line is follows from the agent's time alone, also for a page that comes later, and it moves by whole pixels a frame.
func TestTickerGoesByTheClock(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	begin, moment := time.Now(), time.Date(2026, 11, 23, 13, 5, 0, 0, time.UTC)
	var shift atomic.Int64
	p := start(t, player.Config{Assets: l.open, Now: func() time.Time { return moment.Add(time.Since(begin) + time.Duration(shift.Load())) }})
	line := zone("line", 0, 80, 100, 20, manifest.Item{Type: manifest.Ticker, Text: "one, two, three", Speed: 10})
	show(t, p, l.zones("one", line))
	ctx := browse(t, p)
	browsertest.Wait(ctx, t, `document.documentElement.dataset.clock === 'agent' && document.querySelector('.ticker')`)
	type state struct{ Off, Step, Loop, Gap float64 }
	look := fmt.Sprintf(`(() => {
		const track = document.querySelector('.ticker > div');
		const [run] = track.getAnimations();
		const {duration} = run.effect.getTiming();
		const loop = track.firstElementChild.getBoundingClientRect().width;
		const {clock} = document.querySelector('vitrine-screen');
		let off = (clock.%s.now() - run.currentTime) %% duration;
		if (off > duration / 2) off -= duration;
		if (off < -duration / 2) off += duration;
		return {Off: off, Step: loop / duration * 1000 / 60, Loop: loop, Gap: innerWidth + loop - track.scrollWidth};
	})()`, "civil")
	for range 2 {
		browsertest.Wait(ctx, t, `Math.abs(`+look+`.Off) < 40`)
		got := browsertest.Eval[state](ctx, t, look)
		// 10 percent of 1280 pixels in 60 frames are 2.1.
		if math.Abs(got.Step-2) > 0.02 {
			t.Errorf("it moves by %v pixels a frame", got.Step)
		}
		if got.Gap > 1 {
			t.Errorf("there are %v pixels without text at the end of a loop of %v", got.Gap, got.Loop)
		}
		browsertest.Open(ctx, t, "http://"+p.Addr()+"/") // a page that comes later
		browsertest.Wait(ctx, t, `document.documentElement.dataset.clock === 'agent' && document.querySelector('.ticker')`)
	}
	// A clock that is put forward takes the line with it.
	shift.Store(int64(90 * time.Second))
	browsertest.Wait(ctx, t, `Math.abs(`+look+`.Off) < 60`)
}
