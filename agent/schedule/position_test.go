package schedule_test

import (
	"testing"
	"time"

	"vitrine/agent/schedule"
	"vitrine/content/manifest"
)

func playlist(seconds ...float64) []manifest.Item {
	var items []manifest.Item
	for _, s := range seconds {
		items = append(items, manifest.Item{Type: manifest.Image, Seconds: s})
	}
	return items
}

func TestPosition(t *testing.T) {
	anchor := at("2026-11-23T11:30:00Z")
	for _, c := range []struct {
		name     string
		playlist []manifest.Item
		after    time.Duration
		index    int
		into     time.Duration
		timed    bool
	}{
		{"at the anchor", playlist(10, 5), 0, 0, 0, true},
		{"inside the first", playlist(10, 5), 9999 * time.Millisecond, 0, 9999 * time.Millisecond, true},
		{"the second starts", playlist(10, 5), 10 * time.Second, 1, 0, true},
		{"it goes round", playlist(10, 5), 15*time.Second + 15*time.Hour, 0, 0, true},
		{"before the anchor", playlist(10, 5), -time.Second, 1, 4 * time.Second, true},
		{"fractions", playlist(0.1, 0.2), 250 * time.Millisecond, 1, 150 * time.Millisecond, true},
		{"one item", playlist(7), 8 * time.Second, 0, time.Second, true},
		{"an item without a length", playlist(10, 0), 12 * time.Second, 0, 0, false},
		{"nothing", nil, time.Second, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, into, timed := schedule.Position(c.playlist, anchor, anchor.Add(c.after))
			if index != c.index || into != c.into || timed != c.timed {
				t.Errorf("got item %d, %v into it, timed %v; want %d, %v, %v", index, into, timed, c.index, c.into, c.timed)
			}
		})
	}
}

// A playlist walked second by second gives the same answer as the formula, from an anchor far away.
func TestPositionAgreesWithWalking(t *testing.T) {
	items := playlist(3, 1, 4, 1, 5, 9, 2, 6)
	const total = 31
	index, into := 0, 0
	for second := range 4 * total {
		now := epoch.Add(time.Duration(second+total*1_000_000) * time.Second)
		gotIndex, gotInto, timed := schedule.Position(items, epoch, now)
		if !timed || gotIndex != index || gotInto != time.Duration(into)*time.Second {
			t.Fatalf("after %d s: item %d, %v into it; want %d, %d s", second, gotIndex, gotInto, index, into)
		}
		if into++; float64(into) == items[index].Seconds {
			index, into = (index+1)%len(items), 0
		}
	}
}
