package system

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/platform/clock"
)

// crystal is how fast the simulated machine's clock is.
const crystal = 30e-6

// machine is a system clock that somebody can set: a model of what kernels do.
type machine struct {
	mu    sync.Mutex
	at    time.Time // when the rest was true
	ahead time.Duration
	rate  float64
	slew  time.Duration

	steps, steers int
	rival         string
	err           error
}

func newMachine(ahead time.Duration) *machine { return &machine{at: time.Now(), ahead: ahead} }

// settle brings the model to this moment. m.mu is held.
func (m *machine) settle() {
	now := time.Now()
	gone := now.Sub(m.at)
	most := time.Duration(float64(gone) * slewRate)
	slewed := min(max(m.slew, -most), most)
	m.slew -= slewed
	m.ahead += time.Duration(float64(gone)*(m.rate-crystal)) + slewed
	m.at = now
}

func (m *machine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle()
	return time.Now().Add(m.ahead)
}

func (m *machine) Step(d time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.settle()
	m.ahead += d
	m.steps++
	return nil
}

func (m *machine) Steer(frequency float64, d, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	m.settle()
	m.rate, m.slew = frequency, d
	m.steers++
	return nil
}

func (m *machine) Rival() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rival
}

// somebody does something to the machine.
func (m *machine) somebody(does func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle()
	does()
}

// viewer is a clock that is right, by the time of the test's bubble, once it was measured.
type viewer struct {
	mu    sync.Mutex
	trust clock.Trust
	off   time.Duration
}

func (v *viewer) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Now().Add(v.off)
}

func (v *viewer) Status() clock.Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	return clock.Status{Trust: v.trust, Frequency: crystal, Bound: time.Millisecond}
}

func (v *viewer) StepSystem(d time.Duration, step func(time.Duration) error) error { return step(d) }

func (v *viewer) is(trust clock.Trust, off time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trust, v.off = trust, off
}

// discipline runs a discipline until the bubble's test ends.
func discipline(t *testing.T, v *viewer, m *machine) *Discipline {
	d := New(Config{Clock: v, System: m})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return d
}

func (m *machine) want(t *testing.T, when string, most time.Duration, steps int) {
	t.Helper()
	m.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ahead.Abs() > most || m.steps != steps {
		t.Errorf("%s the system clock is %v ahead and was set %d times; want %v at most, and %d times", when, m.ahead, m.steps, most, steps)
	}
}

const years = 26 * 365 * 24 * time.Hour

func TestSystemClock(t *testing.T) {
	tests := map[string]func(t *testing.T){
		"a device without a battery, in 1970": func(t *testing.T) {
			m, v := newMachine(-years), &viewer{trust: clock.TrustSaved, off: -time.Hour}
			discipline(t, v, m)
			synctest.Wait()
			time.Sleep(time.Second) // between its corrections
			m.want(t, "with the time saved", time.Hour+time.Second, 1)
			v.is(clock.TrustServer, -700*time.Millisecond)
			time.Sleep(interval)
			m.want(t, "with a server's word", time.Second, 2)
			v.is(clock.TrustNTP, 0)
			time.Sleep(interval)
			m.want(t, "once measured", time.Millisecond, 3)
			time.Sleep(24 * time.Hour)
			m.want(t, "after a day", 10*time.Microsecond, 3)
		},
		"a little off at boot": func(t *testing.T) {
			m, v := newMachine(100*time.Millisecond), &viewer{trust: clock.TrustNTP}
			discipline(t, v, m)
			time.Sleep(100 * time.Second)
			m.want(t, "after 100 s", 60*time.Millisecond, 0)
			time.Sleep(200 * time.Second)
			m.want(t, "after 300 s", 10*time.Microsecond, 0)
		},
		"trusted by the viewer itself": func(t *testing.T) {
			m, v := newMachine(time.Hour), &viewer{trust: clock.TrustRTC}
			d := discipline(t, v, m)
			time.Sleep(time.Hour)
			if m.steers+m.steps > 0 || d.State() != (State{}) {
				t.Errorf("steered %d times, set %d times, %+v", m.steers, m.steps, d.State())
			}
		},
		"set by somebody while it plays": func(t *testing.T) {
			m, v := newMachine(0), &viewer{trust: clock.TrustNTP}
			discipline(t, v, m)
			time.Sleep(time.Minute)
			m.somebody(func() { m.ahead += 10 * time.Second })
			for range 60 * 60 {
				before := m.Now()
				time.Sleep(10 * time.Second)
				if d := m.Now().Sub(before) - 10*time.Second; d.Abs() > 6*time.Millisecond {
					t.Fatalf("jumped by %v", d)
				}
			}
			m.want(t, "in the end", 10*time.Microsecond, 0)
		},
		"kept by another program": func(t *testing.T) {
			m, v := newMachine(time.Minute), &viewer{trust: clock.TrustNTP}
			m.rival = "chronyd"
			d := discipline(t, v, m)
			time.Sleep(time.Hour)
			if m.steers+m.steps > 0 || d.State().Rival != "chronyd" {
				t.Errorf("steered %d times, set %d times, %+v", m.steers, m.steps, d.State())
			}
			// It ends: nothing jumps then, since all has been running for an hour.
			m.somebody(func() { m.rival, m.ahead = "", 500*time.Millisecond })
			time.Sleep(time.Hour)
			m.want(t, "in the end", 10*time.Microsecond, 0)
			if !d.State().Kept {
				t.Errorf("%+v", d.State())
			}
		},
		"without the right to it": func(t *testing.T) {
			m, v := newMachine(0), &viewer{trust: clock.TrustNTP}
			m.err = errors.New("not permitted")
			d := discipline(t, v, m)
			time.Sleep(time.Minute)
			if s := d.State(); s.Kept || !errors.Is(s.Err, m.err) {
				t.Errorf("%+v", s)
			}
			m.somebody(func() { m.err = nil })
			time.Sleep(interval)
			if s := d.State(); !s.Kept || s.Err != nil {
				t.Errorf("%+v", s)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}

// A viewer that ends leaves a clock that runs as well as is known, and nothing half done.
func TestEndLeavesFrequency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, v := newMachine(50*time.Millisecond), &viewer{trust: clock.TrustNTP}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- New(Config{Clock: v, System: m}).Run(ctx) }()
		time.Sleep(20 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if m.slew != 0 || math.Abs(m.rate-crystal) > 1e-12 {
			t.Errorf("left with %v to go, at %v", m.slew, m.rate)
		}
	})
}
