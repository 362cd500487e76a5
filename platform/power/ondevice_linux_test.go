//go:build ondevice

package power

import (
	"testing"
	"time"
)

// The machine sleeps, and its clock wakes it. This is for a machine that may be sent to sleep: agent/cmd has it in a virtual one.
func TestSleepOnDevice(t *testing.T) {
	const sleep = 5 * time.Second
	before := Slept()
	if err := SetAlarm("/", sleep); err != nil {
		t.Fatal(err)
	}
	if err := Do(t.Context(), Suspend); err != nil {
		t.Fatal(err)
	}
	// The clock counts whole seconds, and going down takes some of the time.
	slept := Slept() - before
	if slept < time.Second || slept > sleep+time.Second {
		t.Errorf("the machine has slept for %v", slept)
	}
	t.Logf("slept for %v", slept)
	if err := ClearAlarm("/"); err != nil {
		t.Error(err)
	}
}
