package backoff_test

import (
	"testing"
	"time"

	"vitrine/platform/backoff"
)

func TestNextGrowsToItsCap(t *testing.T) {
	b := backoff.Backoff{Base: time.Second, Max: 10 * time.Second, Rand: func() float64 { return 1 }}
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		if got := b.Next(); got != want*time.Second {
			t.Errorf("failure %d: wait %v, want %v s", i+1, got, want)
		}
	}
	if b.Failures() != 6 {
		t.Errorf("%d failures counted, want 6", b.Failures())
	}
	b.Reset()
	if got := b.Next(); got != time.Second {
		t.Errorf("after Reset: wait %v, want 1 s", got)
	}
}

// Full jitter spreads a fleet; the floor keeps one device from hammering. Both bounds hold for any draw.
func TestNextStaysInItsBounds(t *testing.T) {
	var b backoff.Backoff
	for range 10_000 {
		if w := b.Next(); w < 100*time.Millisecond || w > 2*time.Minute {
			t.Fatalf("wait %v is out of bounds", w)
		}
	}
}
