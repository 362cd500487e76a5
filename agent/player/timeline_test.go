package player_test

import (
	"fmt"
	"testing"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
)

// The timeline of the page, in its own browser but in a time of the test: what it is told at some moments, and what it makes of that.
func TestTimeline(t *testing.T) {
	t.Parallel()
	ctx := browse(t, start(t, player.Config{}))
	for _, c := range []struct {
		name string
		// script has the timeline as line, and gives by how many milliseconds it is wrong.
		script string
		most   float64
	}{
		{"a first time is taken at once", `line.begin(0, 5000); return line.now(10) - 5010`, 0},
		{"a second first time isn't", `line.begin(0, 5000); line.begin(10, 9000); return line.now(20) - 5020`, 0},
		{"a small error is corrected gradually", `line.begin(0, 5000); line.measure(100, 5110, 0.1, true); return line.now(200) - 5202`, 1e-6},
		{"and then is gone", `line.begin(0, 5000); line.measure(100, 5110, 0.1, true); return line.now(1000) - 6010`, 1e-6},
		{"a large one is a step", `line.begin(0, 5000); const {steps} = line; line.measure(100, 5300, 0.1, true); return line.now(100) - 5300 + (line.steps - steps - 1)`, 1e-6},
		{"a slow exchange that proves nothing changes nothing", `line.begin(0, 5000); line.measure(100, 5130, 40, false); return line.now(200) - 5200`, 0},
		{"a slow exchange that proves a step is one", `line.begin(0, 5000); line.measure(100, 9000, 40, false); return line.now(200) - 9100`, 0},
		{"drift is followed between the questions", `
			line.begin(0, 5000);
			for (let at = 0; at <= 60000; at += 5000) line.measure(at, 5000 + at * 1.0005, 0.1, true);
			return line.now(70000) - (5000 + 70000 * 1.0005)`, 0.05},
		{"it never goes back", `
			line.begin(0, 5000);
			let last = 0, back = 0;
			for (let at = 0; at < 20000; at += 10) {
				if (at % 1000 === 0) line.measure(at, 5000 + at + (at % 3000 ? 40 : -40), 0.1, true);
				const now = line.now(at);
				back = Math.max(back, last - now);
				last = now;
			}
			return back`, 0},
	} {
		got := browsertest.Eval[float64](ctx, t, fmt.Sprintf(`import('/web/timeline.js').then(({Timeline}) => { const line = new Timeline(); %s })`, c.script))
		if got > c.most || got < -c.most {
			t.Errorf("%s: %v ms off", c.name, got)
		}
	}
	// How a video is held in step.
	for _, c := range []struct{ off, present, want float64 }{
		{0, 1, 1}, {11, 1, 1}, {-11, 1, 1}, {20, 1, 0.99}, {-20, 1, 1.01}, {5, 0.99, 0.9975}, {2, 0.99, 1}, {500, 1, 0.97}, {-500, 1, 1.03},
	} {
		if got := browsertest.Eval[float64](ctx, t, fmt.Sprintf(`import('/web/follow.js').then(({rate}) => rate(%v, %v))`, c.off, c.present)); got < c.want-1e-9 || got > c.want+1e-9 {
			t.Errorf("%v ms off at a rate of %v: %v, want %v", c.off, c.present, got, c.want)
		}
	}
}
