// Package kiosk keeps a browser on the screen that shows the player page.
//
// It owns the browser's process: which one, how it is told to be quiet, that it comes back whatever becomes of it, that it doesn't eat the
// machine's memory, and pictures of what it shows. It knows nothing of what the page plays, and never judges it.
package kiosk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"vitrine/platform/backoff"
	"vitrine/platform/child"
)

const (
	// firstRetry and lastRetry bound the wait before a browser is started again; one that has lasted for settled was a good one.
	firstRetry = time.Second
	lastRetry  = time.Minute
	settled    = time.Minute
	// look is how often the memory is looked at.
	look = 10 * time.Second
	// tooMuch is how far beyond the limit memory may go before no quiet moment is waited for.
	tooMuch = 1.5
	// endTimeout is how long a browser may take to end before it is killed. It has nothing to write that anybody needs.
	endTimeout = 3 * time.Second
)

// Config says what a Kiosk runs.
type Config struct {
	// Browser is "auto", a kind (cog, chromium, edge, firefox), or the path of a program.
	Browser string
	// Command is run instead of a browser that is found, if it isn't empty; in it "{url}" is the page's address and "{profile}" an empty folder.
	Command []string
	// Arguments are given to the browser behind its own.
	Arguments []string
	// User is who runs it, if the agent is root; empty means whoever the display belongs to.
	User string
	// Environment are further NAME=VALUE settings for it.
	Environment []string
	// Profile is a folder for what the browser writes; it is emptied at each start.
	Profile string
	// Page is the "host:port" of the page. For a page elsewhere a Keeper starts another browser.
	Page string
	// URL is the page's whole address. It is asked for at each start, once Ready is closed.
	URL   func() string
	Ready <-chan struct{}
	// Quiet tells whether this is a moment at which a restart isn't noticed; nil means never.
	Quiet func() bool
	// MemoryLimit is how many bytes the browser may use; 0 means half of the machine's memory.
	MemoryLimit int64
	// Failed is called with what keeps the browser from running, and with nil when it runs, and Restarted with why the kiosk itself has ended one
	// that ran. They must not block; nil if nobody wants to know.
	Failed    func(error)
	Restarted func(why string)
	// Log gets what happens; nil means nothing.
	Log *slog.Logger
}

// A Kiosk is the task that keeps a browser running. Its methods are safe for concurrent use.
type Kiosk struct {
	config  Config // but for its functions, which are the owner's
	restart chan string
	// look is as the constant says, but in tests.
	look time.Duration

	// resumed is poked when a browser may run again.
	resumed chan struct{}

	mu    sync.Mutex
	owned owner
	url   string // of the last browser
	// profile is the folder of the last browser: the config's, if the disk takes it.
	profile string
	life    *life // nil while no browser runs
	memory  int64
	starts  int
	// paused is true while none is to run. One that is being started, runs or is ending is told by cancel, and over is closed when it is gone; nil without one.
	paused bool
	cancel context.CancelFunc
	over   chan struct{}
}

// New makes a kiosk.
func New(c Config) *Kiosk {
	c = complete(c)
	return &Kiosk{config: c, profile: c.Profile, owned: owner{c, make(chan struct{})}, restart: make(chan string, 1), resumed: make(chan struct{}, 1), look: look}
}

// complete fills in what a config leaves out.
func complete(c Config) Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Failed == nil {
		c.Failed = func(error) {}
	}
	if c.Restarted == nil {
		c.Restarted = func(string) {}
	}
	if c.Quiet == nil {
		c.Quiet = func() bool { return false }
	}
	if c.MemoryLimit == 0 {
		c.MemoryLimit = child.TotalMemory() / 2
	}
	return c
}

// String names the task.
func (k *Kiosk) String() string { return "kiosk" }

// Restart has the browser started again, for a reason in a technician's words. It is false if none is running: one will be started anyway.
func (k *Kiosk) Restart(reason string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life == nil {
		return false
	}
	select {
	case k.restart <- reason:
	default: // it is about to be
	}
	return true
}

// Status is what is known of the browser.
type Status struct {
	// Program is its path, PID its process, and Started when it was; zero if there is none.
	Program string
	PID     int
	Started time.Time
	// URL is what it, or the last one, was given as the page's address.
	URL string
	// Starts is how often one was started since the agent was.
	Starts int
	// Memory is what it used when that was last looked at, in bytes, 0 if that can't be said, and Limit what it may use.
	Memory, Limit int64
	// Paused is true while none is to run.
	Paused bool
}

// Status is the present state.
func (k *Kiosk) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Status{URL: k.url, Starts: k.starts, Memory: k.memory, Limit: k.config.MemoryLimit, Paused: k.paused}
	if k.life != nil {
		s.Program, s.PID, s.Started = k.life.command.Path, k.life.command.Process.Pid, k.life.began
	}
	return s
}

// Run keeps a browser running until ctx ends, and ends it then.
func (k *Kiosk) Run(ctx context.Context) error {
	// The browser is to end with the agent however that ends: Linux ties a child to the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	retry := backoff.Backoff{Base: firstRetry, Max: lastRetry}
	for {
		url := k.page(ctx)
		if ctx.Err() != nil {
			return nil
		}
		began := time.Now()
		err := k.turn(ctx, url)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errPaused) {
			select {
			case <-ctx.Done():
				return nil
			case <-k.resumed:
			}
			retry.Reset()
			continue
		}
		if time.Since(began) > settled {
			retry.Reset()
		}
		wait := retry.Next()
		if why, ok := errors.AsType[ended](err); ok {
			k.log().Warn("The browser is started again: "+string(why), "in", wait.Round(100*time.Millisecond))
		} else {
			k.owner().Failed(err)
			k.log().Warn("The browser isn't running; it is started again", "err", err, "in", wait.Round(100*time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.owner().news: // whoever is new is to know at once whether it runs
		case <-time.After(wait):
		case <-k.resumed:
		}
	}
}

// ended says why the kiosk itself has ended a browser.
type ended string

func (e ended) Error() string { return string(e) }

// weigh looks at the memory, and says if there is too much in use.
func (k *Kiosk) weigh(pid int) (why string) {
	used, err := child.Memory(pid)
	if err != nil {
		return ""
	}
	k.mu.Lock()
	k.memory = used
	k.mu.Unlock()
	limit := k.config.MemoryLimit
	if limit == 0 || used <= limit || float64(used) < tooMuch*float64(limit) && !k.owner().Quiet() {
		return ""
	}
	return fmt.Sprintf("it used %d MiB of memory, and may use %d", used>>20, limit>>20)
}

// begin and end note that a browser runs.
func (k *Kiosk) begin(l *life) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.restart: // meant the one before
	default:
	}
	k.life, k.memory = l, 0
	k.starts++
}

func (k *Kiosk) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.life, k.memory = nil, 0
}
