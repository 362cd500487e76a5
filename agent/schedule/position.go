package schedule

import (
	"math"
	"time"

	"vitrine/content/manifest"
)

// Timed tells whether the position in a playlist is a function of the clock: every item says how long it is on.
func Timed(playlist []manifest.Item) bool {
	for _, item := range playlist {
		if item.Seconds <= 0 {
			return false
		}
	}
	return len(playlist) > 0
}

// Position is where a playlist that counts from anchor (State.Anchor) stands at t: the index of the item that is on, and how
// long it has been on. The playlist goes round, so the position is (t - anchor) modulo its whole length, also before the anchor.
// If the playlist isn't Timed there is no such position: timed is false, and the items follow each other from when a page
// started to show them.
func Position(playlist []manifest.Item, anchor, t time.Time) (index int, into time.Duration, timed bool) {
	if !Timed(playlist) {
		return 0, 0, false
	}
	// Milliseconds, and not time.Duration: that one ends after 292 years, and pages count in milliseconds too.
	var total int64
	for _, item := range playlist {
		total += millis(item)
	}
	at := (t.UnixMilli() - anchor.UnixMilli()) % total
	if at < 0 {
		at += total
	}
	for at >= millis(playlist[index]) {
		at -= millis(playlist[index])
		index++
	}
	return index, time.Duration(at) * time.Millisecond, true
}

// millis is how long an item is on, in milliseconds, at least one.
func millis(item manifest.Item) int64 {
	return max(1, int64(math.Round(item.Seconds*1000)))
}
