package kiosk

import (
	"context"
	"errors"
	"runtime"
	"slices"
)

// errPaused is that no browser is to run.
var errPaused = errors.New("no browser is to run")

// OnCard tells whether the browser, or the compositor that it is run in, draws on the graphics card itself: no display server of somebody else is there. Then nobody
// else can switch the card's outputs while it runs.
func (k *Kiosk) OnCard() bool {
	get := getter(k.environment())
	headless := slices.Contains(slices.Concat(k.config.Command, k.config.Arguments), "--headless")
	return runtime.GOOS == "linux" && get("WAYLAND_DISPLAY") == "" && get("DISPLAY") == "" && !headless
}

// Pause ends the browser, with all that was started with it, and has none run until Resume. It returns when that is done; if ctx ends before, it is done later.
func (k *Kiosk) Pause(ctx context.Context) error {
	k.mu.Lock()
	k.paused = true
	over := k.over
	if over != nil {
		k.cancel()
	}
	k.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resume ends a pause: a browser is started at once, or as soon as the one before has ended.
func (k *Kiosk) Resume() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.paused {
		return
	}
	k.paused = false
	select {
	case k.resumed <- struct{}{}:
	default:
	}
}

// turn runs one browser, with the page at url, unless there is a pause, which ends it, too: its error is errPaused then, also if the pause is over by now.
func (k *Kiosk) turn(ctx context.Context, url string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	k.mu.Lock()
	if k.paused {
		k.mu.Unlock()
		return errPaused
	}
	select {
	case <-k.resumed: // of a pause before
	default:
	}
	k.cancel, k.over = cancel, over
	k.mu.Unlock()
	err := k.run(ctx, url)
	if ctx.Err() != nil {
		err = errPaused
	}
	k.mu.Lock()
	k.cancel, k.over = nil, nil
	k.mu.Unlock()
	close(over)
	return err
}
