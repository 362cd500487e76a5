// Package backoff says how long to wait before the next try of something that failed.
//
// It owns the arithmetic (exponential growth with full jitter, so that a fleet that lost its server comes back spread
// out) and never waits itself: the caller's timer does, so that cancellation and tests stay the caller's.
package backoff

import (
	"math/rand/v2"
	"time"
)

// A Backoff counts failures in a row. The zero value starts at Base 1 s and is capped at Max 2 min. It is not safe for
// concurrent use: each retry loop has its own.
type Backoff struct {
	// Base is the upper bound of the first wait; 0 means 1 s.
	Base time.Duration
	// Max is the upper bound of every wait; 0 means 2 min.
	Max time.Duration
	// Rand returns a number in [0, 1); nil means math/rand/v2. Tests set it.
	Rand func() float64

	failures int
}

// Next counts one more failure and returns the wait before the next try: uniform in [0, min(Max, Base<<failures)), but
// never below a tenth of that bound, so that a broken peer isn't hammered by an unlucky draw.
func (b *Backoff) Next() time.Duration {
	bound, limit := b.Base, b.Max
	if bound <= 0 {
		bound = time.Second
	}
	if limit <= 0 {
		limit = 2 * time.Minute
	}
	for range b.failures {
		if bound >= limit {
			break
		}
		bound *= 2
	}
	bound = min(bound, limit)
	b.failures++
	random := rand.Float64
	if b.Rand != nil {
		random = b.Rand
	}
	return bound/10 + time.Duration(random()*float64(bound-bound/10))
}

// Failures is the number of failures since the last Reset.
func (b *Backoff) Failures() int { return b.failures }

// Reset forgets the failures. Call it after something has worked for a while, not at the first success: a peer that
// accepts and drops at once must not be tried again at once.
func (b *Backoff) Reset() { b.failures = 0 }
