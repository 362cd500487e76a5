// Package clock keeps the best time that this machine can know, whether or not its own clock is right.
//
// It owns the offset between the machine's clock and the true time, how far that is to be trusted, and both ends of the
// SNTP exchange that measures it (RFC 4330, RFC 5905). It never sets the system clock.
package clock

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
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

// Steps and rates of correction.
const (
	// stepLimit is the largest correction that is made gradually; a larger one is a step. It is the step threshold of RFC
	// 5905.
	stepLimit = 128 * time.Millisecond
	// slewRate is how much of the elapsed time a gradual correction may add or take: the 500 ppm of RFC 5905.
	slewRate = 500e-6
	// serverStep is how far the time of a TLS server, which has a resolution of a second and travels in a header, must be
	// away before it is believed against a plausible clock.
	serverStep = 3 * time.Second
)

// A Clock gives the time. It is safe for concurrent use; make one with New.
type Clock struct {
	log   *slog.Logger
	saved *savedTime

	// base is a reading of the system clock with its monotonic part: raw time is base plus what has passed since by the
	// monotonic clock, so that somebody who sets the system clock doesn't move ours.
	base time.Time

	mu     sync.Mutex
	trust  Trust
	source string
	bound  time.Duration
	// offset is what raw time lacks at the moment slewFrom; slew is what is left to add gradually from there on.
	offset   time.Duration
	slew     time.Duration
	slewFrom time.Time
	last     time.Time
	measured time.Time
}

// Config says how to make a Clock.
type Config struct {
	// Build is when the program was built: no time before it is ever given. Zero means no such floor.
	Build time.Time
	// SavedFile keeps the last good time across reboots of machines that have no clock of their own; empty means don't.
	SavedFile string
	// Log gets trust changes and steps; nil means none.
	Log *slog.Logger
}

// New makes a clock that starts from the system clock, or from the last time saved if the system clock is behind that.
func New(c Config) *Clock { return newAt(c, time.Now()) }

func newAt(c Config, now time.Time) *Clock {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Clock{log: c.Log, saved: &savedTime{path: c.SavedFile}, base: now, slewFrom: now, trust: TrustRTC, source: "system clock"}
	saved, err := k.saved.load()
	if err != nil {
		c.Log.Warn("The saved time can't be used; going on without it", "err", err)
	}
	switch {
	case now.Before(c.Build) && saved.Before(c.Build):
		k.offset, k.trust, k.source = c.Build.Sub(now), TrustUnset, "build date"
	case now.Before(saved):
		k.offset, k.trust, k.source = saved.Sub(now), TrustSaved, "last time saved"
	}
	if k.trust != TrustRTC {
		c.Log.Warn("The system clock is wrong; going on from the "+k.source+" until a server tells the time", "system", now.Round(0), "time", now.Add(k.offset).Round(0))
	}
	return k
}

// raw is the system clock as it was at the start, carried on by the monotonic clock.
func (k *Clock) raw() time.Time { return k.base.Add(time.Since(k.base)) }

// Now is the best time known. It never goes backwards except by a step, which is logged: at the first measurement, and
// when a measurement is more than 128 ms away.
func (k *Clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.at(k.raw())
	if now.Before(k.last) {
		return k.last
	}
	k.last = now
	return now
}

// at is the time at a raw reading. k.mu is held.
func (k *Clock) at(raw time.Time) time.Time { return raw.Add(k.offset + k.slewed(raw)) }

// slewed is how much of the gradual correction has been made at a raw reading. k.mu is held.
func (k *Clock) slewed(raw time.Time) time.Duration {
	most := time.Duration(float64(raw.Sub(k.slewFrom)) * slewRate)
	return min(max(k.slew, -most), most)
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
	// Bound is the most by which the last measurement can be wrong; 0 if there was none.
	Bound time.Duration
	// Source is where the time comes from, in words or as "host:port".
	Source string
	// Measured is when it was last measured; zero if never.
	Measured time.Time
}

// Status is the present state.
func (k *Clock) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	// Against the system clock as it is now, not as it was at the start: somebody may have set it since.
	return Status{Trust: k.trust, Offset: time.Until(k.at(k.raw()).Round(0)), Bound: k.bound, Source: k.source, Measured: k.measured}
}

// ServerTime takes the time that a server, which has proved itself by TLS, has just given. It moves the clock only if
// nothing better is known and the two are more than 3 s apart.
func (k *Clock) ServerTime(t time.Time, source string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trust > TrustServer {
		return
	}
	raw := k.raw()
	if diff := t.Sub(k.at(raw)); diff.Abs() > serverStep {
		k.step(raw, diff, source)
	}
	k.setTrust(TrustServer, source)
}

// measure takes a measured offset to raw time.
func (k *Clock) measure(m Measurement) {
	k.mu.Lock()
	defer k.mu.Unlock()
	raw := k.raw()
	diff := m.Offset - k.at(raw).Sub(raw)
	if k.trust < TrustNTP || diff.Abs() > stepLimit {
		k.step(raw, diff, m.Server)
	} else {
		k.offset += k.slewed(raw)
		k.slew, k.slewFrom = diff, raw
	}
	k.bound, k.measured = m.RTT/2, raw.Add(m.Offset)
	k.setTrust(TrustNTP, m.Server)
}

// step changes the time at once. k.mu is held.
func (k *Clock) step(raw time.Time, diff time.Duration, source string) {
	if diff.Abs() > stepLimit {
		k.log.Info(fmt.Sprintf("The clock was off by %v and is now set by the server", (-diff).Round(time.Millisecond)), "server", source)
	}
	k.offset += k.slewed(raw) + diff
	k.slew, k.slewFrom = 0, raw
	k.last = time.Time{}
}

// setTrust changes level and source. k.mu is held.
func (k *Clock) setTrust(t Trust, source string) {
	if t != k.trust {
		k.log.Debug("The trust in the clock has changed", "from", k.trust, "to", t, "server", source)
	}
	k.trust, k.source = t, source
}
