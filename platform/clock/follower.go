package clock

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Polling of the time servers.
const (
	pollInterval = 64 * time.Second
	retryFirst   = time.Second
	// watchInterval is how often a jump of the system clock against the monotonic one, as after a suspend, is looked for.
	watchInterval = 5 * time.Second
	jumpLimit     = time.Second
)

// A Follower is the task that keeps a Clock in step with the first of its servers that answers.
type Follower struct {
	clock *Clock
	log   *slog.Logger
	ready chan struct{}
	once  sync.Once
	wake  chan struct{}

	mu      sync.Mutex
	servers []string
}

// NewFollower makes the task for a clock. log may be nil.
func NewFollower(k *Clock, log *slog.Logger) *Follower {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Follower{clock: k, log: log, ready: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// SetServers replaces the "host:port" addresses to ask, best first, and asks at once if they changed. It is safe for
// concurrent use and never blocks.
func (f *Follower) SetServers(servers ...string) {
	f.mu.Lock()
	same := len(servers) == len(f.servers)
	for i := range servers {
		same = same && servers[i] == f.servers[i]
	}
	f.servers = append([]string(nil), servers...)
	f.mu.Unlock()
	if same {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run asks until ctx ends. It never fails: without an answer the clock goes on by itself.
func (f *Follower) Run(ctx context.Context) error {
	defer f.save()
	lastSave := f.clock.raw()
	retry := retryFirst
	for ctx.Err() == nil {
		next := pollInterval
		switch err := f.poll(ctx); {
		case err == nil:
			retry = retryFirst
		case errors.Is(err, errNoServers):
		default:
			f.log.Debug("No time server answers", "err", err)
			next, retry = retry, min(retry*2, pollInterval)
		}
		if raw := f.clock.raw(); raw.Sub(lastSave) > saveEvery {
			f.save()
			lastSave = raw
		}
		f.sleep(ctx, next)
	}
	return nil
}

// Ready is closed after the first measurement.
func (f *Follower) Ready() <-chan struct{} { return f.ready }

// String names the task.
func (f *Follower) String() string { return "clock" }

var errNoServers = errors.New("no time servers known")

// poll measures against the first server that answers.
func (f *Follower) poll(ctx context.Context) error {
	f.mu.Lock()
	servers := f.servers
	f.mu.Unlock()
	err := errNoServers
	for _, server := range servers {
		var m Measurement
		if m, err = Measure(ctx, server, burst, f.clock.raw); err != nil {
			continue
		}
		f.clock.measure(m)
		f.once.Do(func() {
			f.log.Info("The clock is measured by NTP", "server", server, "offset", m.Offset.Round(time.Microsecond), "bound", (m.RTT / 2).Round(time.Microsecond))
			f.save()
			close(f.ready)
		})
		return nil
	}
	return err
}

// sleep waits for d, and less if the servers change or the machine was suspended.
func (f *Follower) sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	watch := time.NewTicker(watchInterval)
	defer watch.Stop()
	skew := f.skew()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-f.wake:
			return
		case <-watch.C:
			if now := f.skew(); (now - skew).Abs() > jumpLimit {
				f.log.Info("The system clock jumped, or the machine slept: asking for the time again", "by", (now - skew).Round(time.Millisecond))
				return
			}
		}
	}
}

// skew is how far the system clock is ahead of the monotonic one since the start.
func (f *Follower) skew() time.Duration { return time.Since(f.clock.raw().Round(0)) }

// save writes the time to disk if it is worth it.
func (f *Follower) save() {
	if f.clock.Trust() < TrustServer {
		return
	}
	if err := f.clock.saved.store(f.clock.Now()); err != nil {
		f.log.Warn("The time can't be saved for the next boot", "err", err)
	}
}
