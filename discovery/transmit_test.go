package discovery

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestGaps(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		copies int
		random float64
		want   []time.Duration
	}{
		{1, 0, nil},
		{2, 0, []time.Duration{50 * ms}},
		{4, 0, []time.Duration{50 * ms, 100 * ms, 200 * ms}},
		{5, 0.5, []time.Duration{150 * ms, 300 * ms, 500 * ms, 500 * ms}},
		{3, 1, []time.Duration{250 * ms, 500 * ms}},
	} {
		got := gaps(test.copies, func() float64 { return test.random })
		if !slices.Equal(got, test.want) {
			t.Errorf("%d copies, %v: %v, want %v", test.copies, test.random, got, test.want)
		}
	}
}

func TestTransmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		err := transmit(t.Context(), 4, func() error {
			times = append(times, time.Now())
			return nil
		})
		if err != nil || len(times) != 4 {
			t.Fatalf("%d copies, %v", len(times), err)
		}
		gap := times[1].Sub(times[0])
		if gap < udpMinDelay || gap > udpMaxDelay {
			t.Errorf("first gap %v", gap)
		}
		for i := 2; i < len(times); i++ {
			gap = min(2*gap, udpUpperDelay)
			if got := times[i].Sub(times[i-1]); got != gap {
				t.Errorf("gap %d is %v, want %v", i, got, gap)
			}
		}
	})
}

func TestTransmitErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("network is down")
		n := 0
		if err := transmit(t.Context(), 3, func() error { n++; return down }); err != down || n != 3 {
			t.Errorf("%d tries, %v", n, err)
		}
		n = 0
		err := transmit(t.Context(), 3, func() error {
			if n++; n == 2 {
				return nil
			}
			return down
		})
		if err != nil {
			t.Errorf("one of three copies left, but %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n = 0
		start := time.Now()
		if err := transmit(ctx, 3, func() error { n++; cancel(); return nil }); err != nil || n != 1 || time.Since(start) != 0 {
			t.Errorf("after the end of its context: %d copies, %v, %v", n, err, time.Since(start))
		}
	})
}

func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := newID(), newID()
	if !form.MatchString(a) || a == b {
		t.Errorf("ids %s and %s", a, b)
	}
}
