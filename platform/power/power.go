// Package power restarts the machine, switches it off, has it sleep, and sets the clock that wakes it.
//
// It owns which of the system's own programs does that, and the alarm of the real-time clock. It never does it by a system call of its own where
// the system has a program: services want to be stopped and disks to be written, and only the system knows how.
package power

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"vitrine/platform/child"
)

// An Action is what can be done to the machine.
type Action uint8

// The actions.
const (
	Reboot Action = iota
	Off
	// Suspend keeps the memory and stops everything else. Do may return before or after that.
	Suspend
)

// timeout bounds the program that is asked to do it.
const timeout = 20 * time.Second

// Check says why an action can't be done here; nil if it probably can. The error is errors.ErrUnsupported where the system has no program
// for it.
func Check(a Action) error {
	if a == Suspend {
		if err := canSuspend("/"); err != nil {
			return err
		}
	}
	argv := program(a)
	if len(argv) == 0 {
		return fmt.Errorf("this viewer knows no way to do that on this system: %w", errors.ErrUnsupported)
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return fmt.Errorf("this machine has no program %s, which would do that: %w", argv[0], errors.ErrUnsupported)
	}
	return permitted()
}

// Do has the system do it. It returns when the system has agreed; the machine goes a moment later.
func Do(ctx context.Context, a Action) error {
	if err := Check(a); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	argv := program(a)
	if out, err := child.Command(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
