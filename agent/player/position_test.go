package player_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/player/browsertest"
	"vitrine/agent/schedule"
	"vitrine/content/manifest"
)

// The agent computes what should be on, and the page what is; a difference of a millisecond in their arithmetic would be a
// screen that is wrong for a moment in each round.
func TestPageAndAgentComputeTheSamePosition(t *testing.T) {
	t.Parallel()
	type question struct {
		Playlist    []manifest.Item `json:"playlist"`
		Anchor, Now float64
	}
	random := rand.New(rand.NewPCG(3, 4))
	var questions []question
	var want [][2]int64
	for range 500 {
		var items []manifest.Item
		for range 1 + random.IntN(6) {
			items = append(items, manifest.Item{Type: manifest.Text, Seconds: float64(1+random.IntN(30_000)) / 1000})
		}
		anchor := time.UnixMilli(random.Int64N(2e12))
		now := time.UnixMilli(random.Int64N(2e12))
		index, into, _ := schedule.Position(items, anchor, now)
		questions = append(questions, question{items, float64(anchor.UnixMilli()), float64(now.UnixMilli()) + random.Float64()*0.9})
		want = append(want, [2]int64{int64(index), now.UnixMilli() - into.Milliseconds()})
	}
	data, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	ctx := browse(t, start(t, player.Config{}))
	got := browsertest.Eval[[][2]int64](ctx, t, fmt.Sprintf(`import('/web/playlist.js').then(({slotAt}) =>
		%s.map(({playlist, Anchor, Now}) => { const slot = slotAt(playlist, Anchor, Now); return [slot.index, slot.start]; }))`, data))
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v at %v from %v: the page says item %d since %d, the agent %d since %d", questions[i].Playlist, questions[i].Now, questions[i].Anchor, got[i][0], got[i][1], want[i][0], want[i][1])
		}
	}
}

// The agent's clock stands years away from the browser's, and the page comes in the middle of a round.
func TestPageJoinsAtTheRightPlace(t *testing.T) {
	t.Parallel()
	l := newLibrary()
	first, second := l.picture(t, red), l.picture(t, green)
	begin := time.Now()
	moment := time.Unix(1_900_000_000-1_900_000_000%600, 0).Add(450 * time.Second) // 150 s into the second half of a round of 600 s
	p := start(t, player.Config{Assets: l.open, Now: func() time.Time { return moment.Add(time.Since(begin)) }})
	show(t, p, l.programme("one", still(first, 300), still(second, 300)))
	planned := p.Playing()[0]
	ctx := browse(t, p)
	see(ctx, t, green)
	awaitPlaying(t, p, "the page's word", isShown)
	if shown := p.Playing()[0]; shown.Item != planned.Item || shown.Since.Sub(planned.Since).Abs() > 2*time.Millisecond {
		t.Errorf("the page shows %+v, planned was %+v", shown, planned)
	}
	if late := browsertest.Eval[float64](ctx, t, fmt.Sprintf(`document.querySelector('vitrine-screen').clock.playout.now() - %d`, moment.Add(time.Since(begin)).UnixMilli())); late < -1000 || late > 5000 {
		t.Errorf("the page's clock is %v ms off", late)
	}
}
