package power

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// program is systemd's where that runs the machine (sd_booted(3)), and the traditional one elsewhere. Without systemd the kernel itself is asked
// to suspend (Documentation/admin-guide/pm/sleep-states.rst), by a shell, which then waits for the end of the sleep.
func program(a Action) []string {
	name := [...]string{Reboot: "reboot", Off: "poweroff", Suspend: "suspend"}[a]
	if booted() {
		return []string{"systemctl", "--no-ask-password", name}
	}
	if a == Suspend {
		return []string{"sh", "-c", "echo mem >/sys/power/state"}
	}
	return []string{name}
}

// permitted leaves the decision to systemd, which asks polkit, where that runs the machine.
func permitted() error {
	if !booted() && os.Geteuid() != 0 {
		return errors.New("this viewer doesn't run as root, and so may not restart the machine or switch it off; run it as a service")
	}
	return nil
}

// booted tells whether systemd runs the machine.
func booted() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// canSuspend says why the machine can't sleep.
func canSuspend(root string) error {
	states, err := os.ReadFile(filepath.Join(root, "sys/power/state"))
	if err != nil || !slices.Contains(strings.Fields(string(states)), "mem") {
		return fmt.Errorf("this machine can't be suspended: /sys/power/state doesn't have mem: %w", errors.ErrUnsupported)
	}
	return nil
}

// Slept is how long the machine has been suspended since it was started.
func Slept() time.Duration { return max(0, reading(unix.CLOCK_BOOTTIME)-reading(unix.CLOCK_MONOTONIC)) }

func reading(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
