package sntp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// burstInterval is the pause between the questions of a measurement.
const burstInterval = 50 * time.Millisecond

// A Measurement is what asking one server some times gave.
type Measurement struct {
	// Best is the answer with the shortest round trip, which proves most.
	Best Answer
	// Samples is how many questions were answered.
	Samples int
}

// Measure asks the NTP server at addr ("host:port") some times, at least once. It fails only if no question was answered.
func Measure(ctx context.Context, addr string, samples int) (Measurement, error) {
	var m Measurement
	var failed error
	for i := range max(samples, 1) {
		if i > 0 && !wait(ctx, burstInterval) {
			break
		}
		a, err := Exchange(ctx, addr)
		if err != nil {
			if failed == nil {
				failed = err
			}
			if _, kissed := errors.AsType[*KissError](err); kissed {
				break
			}
			continue
		}
		if m.Samples++; m.Samples == 1 || a.RTT() < m.Best.RTT() {
			m.Best = a
		}
	}
	switch {
	case m.Samples > 0:
		return m, nil
	case ctx.Err() != nil:
		failed = ctx.Err()
	}
	return m, fmt.Errorf("%s: no time by NTP: %w", addr, failed)
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
