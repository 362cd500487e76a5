// Package child starts helper processes that end with the program that started them.
//
// It owns how a child is tied to its parent on each system, and nothing of what the child does.
package child

import (
	"context"
	"os/exec"
	"time"
)

// stopTimeout is how long a child may take to end before it is killed.
const stopTimeout = 10 * time.Second

// Command makes a command that is asked to end (SIGTERM; on Windows it is killed) when ctx ends, and killed if it hasn't
// within 10 s. It is in a process group of its own, so that Ctrl-C on the terminal reaches the parent only, which then
// decides. On Linux it also ends when the parent is killed; for that, start it from a goroutine that has locked its OS
// thread and keeps it for as long as the child lives.
func Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Cancel = func() error { return stop(c.Process) }
	c.WaitDelay = stopTimeout
	c.SysProcAttr = attributes()
	return c
}

// Find is the full path of a program that is installed; empty if there is none of that name.
func Find(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}
