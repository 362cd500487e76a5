package discovery

import (
	"context"
	"math/rand/v2"
	"time"
)

// The timers of SOAP-over-UDP 1.1, appendix A: UDP_MIN_DELAY, UDP_MAX_DELAY, UDP_UPPER_DELAY.
const (
	udpMinDelay   = 50 * time.Millisecond
	udpMaxDelay   = 250 * time.Millisecond
	udpUpperDelay = 500 * time.Millisecond
)

// appMaxDelay is APP_MAX_DELAY (section 3.1.3): the bound of the random wait before a Hello or an
// answer to a multicast, that keeps a whole network from answering at once.
const appMaxDelay = 500 * time.Millisecond

// gaps are the waits between the copies of one message: the first is random, the others double up to a limit. random
// returns a number in [0, 1).
func gaps(copies int, random func() float64) []time.Duration {
	var list []time.Duration
	gap := udpMinDelay + time.Duration(random()*float64(udpMaxDelay-udpMinDelay))
	for range copies - 1 {
		list = append(list, gap)
		gap = min(2*gap, udpUpperDelay)
	}
	return list
}

// transmit sends a message the given number of times, until ctx ends. One copy that could be sent is success; otherwise
// it returns the last error.
func transmit(ctx context.Context, copies int, send func() error) error {
	err := send()
	for _, gap := range gaps(copies, rand.Float64) {
		if !wait(ctx, gap) {
			break
		}
		if again := send(); err != nil {
			err = again
		}
	}
	return err
}

// randomDelay is uniform in [0, limit].
func randomDelay(limit time.Duration) time.Duration { return rand.N(limit + 1) }
