package agent

import (
	"context"
	"log/slog"
	"time"

	"vitrine/platform/backoff"
)

// A task is a part that runs.
type task interface {
	// Run works until ctx ends.
	Run(ctx context.Context) error
	// String names the task.
	String() string
}

// tasks are what runs beside the page.
func (a *Agent) tasks() []task {
	return []task{
		// Find a server, and stay connected.
		a.session, listener{a}, watcher{a}, presence{a}, neighbours{a}, renewer{a},
		// Keep the content.
		a.library, a.scrub(), checker{a}, exchange{a}, stickReader{Agent: a}, a.feeds,
		// Keep the clock.
		a.follower, serverTime{a}, systemClock{a}, timeServer{a},
		// Wake and sleep.
		a.wake, a.screen, sleeper{a}, rebooter{a},
		// Is the right thing on the glass, and what was?
		screenWatch{a}, a.plays,
		// Follow the releases of this program.
		&updates{Agent: a},
		// Answer whoever is at the machine.
		control{a},
	}
}

// supervise runs a task until ctx ends, and starts it again whenever it stops before that.
func supervise(ctx context.Context, t task, log *slog.Logger) {
	retry := backoff.Backoff{}
	for {
		began := time.Now()
		err := t.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			retry.Reset()
		}
		wait := retry.Next()
		log.Error("A part of the agent stopped, and is started again", "task", t, "err", err, "retry", wait.Round(time.Millisecond))
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
