package counter

import (
	"testing"
	"time"
)

// It runs with the machine's other clocks, and never backwards.
func TestRuns(t *testing.T) {
	began, first := time.Now(), Now()
	last, slept := first, Slept()
	for time.Since(began) < 50*time.Millisecond {
		now := Now()
		if now < last {
			t.Fatalf("%v after %v", now, last)
		}
		last = now
	}
	if d := (last - first) - time.Since(began); d.Abs() > 20*time.Millisecond {
		t.Errorf("it differs by %v from the system's", d)
	}
	if Slept() != slept {
		t.Errorf("the machine slept %v in 50 ms", Slept()-slept)
	}
}
