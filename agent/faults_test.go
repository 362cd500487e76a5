package agent

import (
	"testing"
	"time"
)

// A fault is there since it was first said, whatever else is said of it meanwhile, until it is over.
func TestFaultKeepsItsTime(t *testing.T) {
	f, began := newFaults(), time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		message string
		changed bool
		since   int // minutes; -1 for no fault
	}{
		{"", false, -1}, {"black", true, 1}, {"black", false, 1}, {"black; the browser is started again", true, 1}, {"", true, -1}, {"black", true, 5},
	} {
		if changed := f.set(faultScreen, step.message, began.Add(time.Duration(i)*time.Minute)); changed != step.changed {
			t.Errorf("step %d: changed %v", i, changed)
		}
		list := f.list()
		if (len(list) == 0) != (step.since < 0) {
			t.Fatalf("step %d: %v", i, list)
		}
		if len(list) > 0 && (list[0].Message != step.message || !list[0].Since.Equal(began.Add(time.Duration(step.since)*time.Minute))) {
			t.Errorf("step %d: %v", i, list)
		}
	}
}
