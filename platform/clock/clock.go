// Package clock keeps the best time that this machine can know, whether or not its own clock is right.
//
// It owns two timelines on one counter that nobody sets: the time of day, for which the majority of the servers decides, and the time that playout
// goes by, for which one server does, so that all screens agree even where that is wrong. It owns how far they are to be trusted, and what is
// kept of them across a reboot. It never sets the system clock: system does, where that is wanted.
package clock

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"vitrine/platform/clock/counter"
)

// Trust says how far the time is to be believed; a higher value is better.
type Trust int

// The levels of trust, worst first.
const (
	// TrustUnset: the clock is known to be wrong, for example in 1970.
	TrustUnset Trust = iota
	// TrustSaved: the clock was behind the last time saved on disk, and goes on from there.
	TrustSaved
	// TrustRTC: the machine's own clock is plausible, and nothing has confirmed it.
	TrustRTC
	// TrustServer: a server that proved itself by TLS said so, to a second.
	TrustServer
	// TrustNTP: measured by NTP.
	TrustNTP
)

var trustNames = [...]string{"unset", "saved", "rtc", "server", "ntp"}

// String is the word that the protocol uses.
func (t Trust) String() string { return trustNames[t] }

// serverStep is how far the time of a TLS server, which has a resolution of a second and travels in a header, must be away before it is believed against a
// plausible clock.
const serverStep = 3 * time.Second

// knownAfter is how long a crystal must have been followed for its frequency to be known: a first answer says nothing of it, and the next boot would
// look for it in the wrong place.
const knownAfter = 10 * time.Minute

// A Clock gives the time. It is safe for concurrent use; make one with New.
type Clock struct {
	log     *slog.Logger
	saved   *savedTime
	counter func() time.Duration

	mu     sync.Mutex
	trust  Trust
	source string
	// civil is the time of day, playout that of the screens.
	civil, playout timeline
	// bound is the most by which civil can be wrong, once it was measured.
	bound    func(at time.Duration) time.Duration
	measured time.Time
	// frequency is what is known of the counter, from long enough a time or from before.
	frequency float64
	known     bool
	// set is by how much this program has stepped the system clock.
	set time.Duration
}

// Config says how to make a Clock.
type Config struct {
	// Build is when the program was built: no time before it is ever given. Zero means no such floor.
	Build time.Time
	// SavedFile keeps the last good time across reboots of machines that have no clock of their own, and how fast their crystal is; empty means don't.
	SavedFile string
	// Log gets trust changes and steps; nil means none.
	Log *slog.Logger
	// Counter gives elapsed time; nil means counter.Now.
	Counter func() time.Duration
}

// New makes a clock that starts from the system clock, or from the last time saved if the system clock is behind that.
func New(c Config) *Clock {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Counter == nil {
		c.Counter = counter.Now
	}
	now, at := time.Now(), c.Counter()
	k := &Clock{log: c.Log, saved: &savedTime{path: c.SavedFile}, counter: c.Counter, trust: TrustRTC, source: "system clock"}
	saved, err := k.saved.load()
	if err != nil {
		c.Log.Warn("The saved time can't be used; going on without it", "err", err)
	}
	k.frequency, k.known = saved.frequency()
	start := now
	switch {
	case now.Before(c.Build) && saved.Time.Before(c.Build):
		start, k.trust, k.source = c.Build, TrustUnset, "build date"
	case now.Before(saved.Time):
		start, k.trust, k.source = saved.Time, TrustSaved, "last time saved"
	}
	if k.trust != TrustRTC {
		c.Log.Warn("The system clock is wrong; going on from the "+k.source+" until a server tells the time", "system", now.Round(0), "time", start.Round(0))
	}
	k.civil.jump(at, time.Duration(start.UnixNano())-at, k.frequency)
	k.playout = k.civil
	return k
}

// Now is the best time known. It never goes backwards except by a step, which is logged: at the first measurement, and when it is more than 1.5 s off
// by then.
func (k *Clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.civil.now(k.counter())
}

// Playout is the time that screens go by: that of the one server that all of them follow, or what there is without it. The epoch changes when it steps;
// within an epoch it never goes backwards.
func (k *Clock) Playout() (now time.Time, epoch int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.playout.now(k.counter()), k.playout.epoch
}

// Trust is how far Now is to be believed.
func (k *Clock) Trust() Trust {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trust
}

// Status is the state of a clock.
type Status struct {
	Trust Trust
	// Offset is what the clock adds to the system clock.
	Offset time.Duration
	// Bound is the most by which the time can be wrong, as long as the servers that it follows are right; 0 if it was never measured.
	Bound time.Duration
	// Frequency is how much the machine's counter lacks with every second, as a fraction.
	Frequency float64
	// Source is where the time comes from, in words or as "host:port".
	Source string
	// Measured is when it was last measured; zero if never.
	Measured time.Time
}

// Status is the present state.
func (k *Clock) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.counter()
	s := Status{Trust: k.trust, Frequency: k.civil.frequency, Source: k.source, Measured: k.measured}
	// Against the system clock as it is now, not as it was at the start: somebody may have set it since.
	s.Offset = time.Until(k.civil.now(at).Round(0))
	if k.bound != nil {
		s.Bound = k.bound(at) + k.civil.left(at).Abs()
	}
	return s
}

// ServerTime takes the time that a server, which has proved itself by TLS, has just given. It moves the clock only if
// nothing better is known and the two are more than 3 s apart.
func (k *Clock) ServerTime(t time.Time, source string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trust > TrustServer {
		return
	}
	at := k.counter()
	if diff := t.Sub(k.civil.now(at)); diff.Abs() > serverStep {
		k.stepped(diff, source)
		k.civil.jump(at, time.Duration(t.UnixNano())-at, k.frequency)
		k.playout.jump(at, time.Duration(t.UnixNano())-at, k.frequency)
	}
	k.setTrust(TrustServer, source)
}

// StepSystem calls step, which is to add d to the system clock, and takes note of that, so that nobody else is looked for who did.
func (k *Clock) StepSystem(d time.Duration, step func(d time.Duration) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := step(d)
	if err == nil {
		k.set += d
	}
	return err
}

// stepped says that the clock steps. k.mu is held.
func (k *Clock) stepped(diff time.Duration, source string) {
	k.log.Info(fmt.Sprintf("The clock was off by %v and is now set by the server", (-diff).Round(time.Millisecond)), "server", source)
}

// steer takes what the servers say by now.
func (k *Clock) steer(c choice) {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.counter()
	civil := c.civil.extend(at)
	if diff, stepped := k.civil.steer(at, civil.Offset, civil.Frequency, k.trust < TrustNTP); stepped {
		k.stepped(diff, c.source)
	}
	playout := c.playout.extend(at)
	k.playout.steer(at, playout.Offset, playout.Frequency, k.trust < TrustNTP)
	if civil.Span >= knownAfter {
		k.frequency, k.known = civil.Frequency, true
	}
	k.bound = func(at time.Duration) time.Duration { return c.civil.extend(at).Bound }
	k.measured = k.civil.now(at)
	k.setTrust(TrustNTP, c.source)
}

// setTrust changes level and source. k.mu is held.
func (k *Clock) setTrust(t Trust, source string) {
	if t != k.trust {
		k.log.Debug("The trust in the clock has changed", "from", k.trust.String(), "to", t.String(), "server", source)
	}
	k.trust, k.source = t, source
}
