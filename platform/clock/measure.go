package clock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/beevik/ntp"
)

// A Measurement is the result of asking one server.
type Measurement struct {
	// Server is the "host:port" that was asked.
	Server string
	// Offset is what the local clock lacks.
	Offset time.Duration
	// RTT is the round trip of the best exchange; the true offset is within half of it.
	RTT time.Duration
	// Stratum is the server's distance from a reference clock, 1 to 15.
	Stratum int
	// Samples is how many exchanges succeeded.
	Samples int
}

// Limits on what is believed of an answer.
const (
	exchangeTimeout = 2 * time.Second
	burst           = 8
	burstInterval   = 50 * time.Millisecond
)

// Measure asks the NTP server at addr ("host:port") for the time, samples times (at least once), against the local clock
// now (nil means time.Now), and keeps the exchange with the shortest round trip, which has the tightest bound. It fails
// only if every exchange did.
func Measure(ctx context.Context, addr string, samples int, now func() time.Time) (Measurement, error) {
	if now == nil {
		now = time.Now
	}
	best := Measurement{Server: addr}
	var firstErr error
	for i := range max(samples, 1) {
		if i > 0 && !wait(ctx, burstInterval) {
			break
		}
		m, err := exchange(ctx, addr, now)
		if err != nil {
			firstErr = firstOf(firstErr, err)
			continue
		}
		m.Samples = best.Samples + 1
		if best.Samples > 0 && best.RTT <= m.RTT {
			best.Samples = m.Samples
			continue
		}
		best = m
	}
	if best.Samples == 0 {
		return Measurement{}, fmt.Errorf("%s: no time by NTP: %w", addr, firstOf(firstErr, ctx.Err()))
	}
	return best, nil
}

// exchange is one question and answer.
func exchange(ctx context.Context, addr string, now func() time.Time) (Measurement, error) {
	resp, err := ntp.QueryWithOptions(addr, ntp.QueryOptions{
		Timeout:       exchangeTimeout,
		GetSystemTime: now,
		Dialer: func(_, remote string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: exchangeTimeout}
			return dialer.DialContext(ctx, "udp", remote)
		},
	})
	if err != nil {
		return Measurement{}, err
	}
	if err := resp.Validate(); err != nil {
		return Measurement{}, err
	}
	// The library takes an answer with a zero receive time for one of 1900, and gives a round trip of years.
	if resp.RTT < 0 || resp.RTT > exchangeTimeout {
		return Measurement{}, fmt.Errorf("implausible round trip of %v", resp.RTT)
	}
	return Measurement{Server: addr, Offset: resp.ClockOffset, RTT: resp.RTT, Stratum: int(resp.Stratum)}, nil
}

// firstOf is the first of two errors that isn't nil.
func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	if b != nil {
		return b
	}
	return errors.New("no answer")
}

// wait returns true after d, false as soon as ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
