package clock

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/platform/clock/sntp"
)

// A world is the truth in a bubble: the bubble's time, off by nothing. The viewer's counter runs a little wrong.
type world struct {
	t      *testing.T
	random *rand.Rand
	start  time.Time
	// crystal is by how much the counter runs too fast; heat adds to it, as a function of the time since the start.
	crystal float64
	heat    func(time.Duration) float64
	// slept is what the machine says that it slept, and lost what the counter missed of it; durations.
	slept, lost atomic.Int64
	servers     map[string]*simulated
}

// locked is a source of chance for all goroutines.
type locked struct {
	mu sync.Mutex
	rand.Source
}

func (l *locked) Uint64() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Source.Uint64()
}

// counter is the viewer's.
func (w *world) counter() time.Duration {
	d := time.Since(w.start)
	f := w.crystal
	if w.heat != nil {
		f += w.heat(d)
	}
	return time.Hour + d + time.Duration(f*float64(d)) - time.Duration(w.lost.Load())
}

// truth is the time of day.
func (w *world) truth() time.Time { return build.Add(24 * time.Hour).Add(time.Since(w.start)) }

// A simulated server, and the way to it.
type simulated struct {
	world *world
	// off is how wrong it is, as a function of the time since the start; nil is right.
	off func(time.Duration) time.Duration
	// there and back are delays.
	there, back func(*rand.Rand) time.Duration
	loss        float64
	// fails gives an error in place of an answer.
	fails func(n int) error
	root  time.Duration
	// precision is what it says of its clock.
	precision time.Duration
	// asked counts the questions.
	asked atomic.Int64
}

func (s *simulated) exchange(ctx context.Context) (sntp.Answer, error) {
	w := s.world
	n := int(s.asked.Add(1) - 1)
	sent := w.counter()
	if err := pause(ctx, s.there(w.random)); err != nil {
		return sntp.Answer{}, err
	}
	at := w.truth()
	if s.off != nil {
		at = at.Add(s.off(time.Since(w.start)))
	}
	if s.fails != nil {
		if err := s.fails(n); err != nil {
			return sntp.Answer{}, err
		}
	}
	if w.random.Float64() < s.loss {
		if err := pause(ctx, sntp.Timeout); err != nil {
			return sntp.Answer{}, err
		}
		return sntp.Answer{}, errors.New("no answer")
	}
	if err := pause(ctx, s.back(w.random)); err != nil {
		return sntp.Answer{}, err
	}
	received := w.counter()
	unix := time.Duration(at.UnixNano())
	return sntp.Answer{
		At: received, Min: unix - received - s.precision, Max: unix - sent + s.precision,
		Reference: sntp.Reference{Time: at, Stratum: 2, RootDispersion: s.root},
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Ways to a server.
func fixed(d time.Duration) func(*rand.Rand) time.Duration {
	return func(*rand.Rand) time.Duration { return d }
}

func between(low, high time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return low + rand.N(high-low) }
}

func bursty(base, mean time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration {
		d := base + time.Duration(r.ExpFloat64()*float64(mean))
		if r.Float64() < 0.1 {
			d += time.Duration(r.ExpFloat64() * float64(30*mean))
		}
		return d
	}
}

// after is wrong by d from a moment on.
func after(from, d time.Duration) func(time.Duration) time.Duration {
	return func(now time.Duration) time.Duration {
		if now < from {
			return 0
		}
		return d
	}
}

func always(d time.Duration) func(time.Duration) time.Duration { return after(0, d) }

// ticks is the error of a clock that ticks 64 times a second.
func ticks(now time.Duration) time.Duration { return -(now % (15625 * time.Microsecond)) }

// add adds a server, or replaces it: a right one nearby, unless it is changed.
func (w *world) add(name string, change func(*simulated)) {
	s := &simulated{world: w, there: fixed(50 * time.Microsecond), back: fixed(50 * time.Microsecond)}
	if change != nil {
		change(s)
	}
	w.servers[name] = s
}

// A scenario is a world, and what the viewer's clock must keep in it.
type scenario struct {
	name  string
	setup func(*world)
	// designated and others are the names of the servers.
	designated string
	others     []string
	// run is how long it goes on; from settled on the error must stay below most.
	run, settled, most time.Duration
	// attacked is true where the bound needn't hold, since the majority lies.
	attacked bool
	// unmeasured is true where the time can't be known.
	unmeasured bool
	// playout is by how much playout may differ from the designated server's time, if that is to be looked at.
	playout time.Duration
	// questions is the most that the servers may be asked, all together.
	questions int
	check     func(*testing.T, *world, *Follower)
}

const ms = time.Millisecond

var scenarios = []scenario{
	{name: "a LAN", designated: "a", run: 2 * time.Hour, settled: 10 * time.Second, most: 200 * time.Microsecond, questions: 300, playout: 200 * time.Microsecond},
	{name: "a day with three more servers", designated: "a", others: []string{"b", "c", "d"}, run: 24 * time.Hour, settled: 10 * time.Second, most: 200 * time.Microsecond, questions: 2800},
	{name: "20 ms with jitter of 10 and 1 % loss", designated: "a", run: 2 * time.Hour, settled: 20 * time.Minute, most: 8 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.there, s.back, s.loss = between(10*ms, 30*ms), between(10*ms, 30*ms), 0.01 })
	}},
	{name: "a bad wireless network", designated: "a", run: 2 * time.Hour, settled: 10 * time.Minute, most: 3 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.there, s.back, s.loss = bursty(ms, ms), bursty(ms, ms), 0.05 })
	}},
	{name: "a third is lost", designated: "a", run: 2 * time.Hour, settled: 10 * time.Minute, most: 2 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.loss = 0.33 })
	}},
	{name: "slow there, fast back", designated: "a", run: time.Hour, settled: time.Minute, most: 10 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.there, s.back = fixed(20*ms), fixed(2*ms) })
	}},
	{name: "full buffers on one side", designated: "a", run: 2 * time.Hour, settled: 20 * time.Minute, most: 5 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.there, s.back = fixed(5*ms), bursty(5*ms, 15*ms) })
	}},
	{name: "the way gets longer", designated: "a", run: 3 * time.Hour, settled: time.Minute, most: 16 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.there = func(*rand.Rand) time.Duration {
				if time.Since(w.start) > time.Hour {
					return 30 * ms
				}
				return ms / 10
			}
		})
	}},
	{name: "a crystal that warms up", designated: "a", run: 2 * time.Hour, settled: 10 * time.Second, most: 500 * time.Microsecond, setup: func(w *world) {
		w.heat = func(d time.Duration) float64 { return 3e-6 * (1 - math.Exp(-d.Seconds()/900)) }
	}},
	{name: "a bad crystal", designated: "a", run: 2 * time.Hour, settled: 10 * time.Minute, most: ms, setup: func(w *world) { w.crystal = 200e-6 }},
	{name: "the server is gone for three hours", designated: "a", run: 5 * time.Hour, settled: time.Minute, most: 30 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.fails = func(int) error {
				if now := time.Since(w.start); now > time.Hour && now < 4*time.Hour {
					return errors.New("unreachable")
				}
				return nil
			}
		})
	}},
	{name: "nobody answers", designated: "a", run: time.Hour, settled: time.Hour, most: 25 * time.Hour, attacked: true, unmeasured: true, questions: 100, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.fails = func(int) error { return errors.New("unreachable") } })
	}},
	{name: "the first answers are missing", designated: "a", run: time.Hour, settled: 5 * time.Minute, most: ms, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.fails = func(n int) error {
				if n < 5 {
					return errors.New("unreachable")
				}
				return nil
			}
		})
	}},
	{name: "an hour off, from the start, alone", designated: "a", run: time.Hour, settled: time.Minute, most: 2 * time.Hour, attacked: true, playout: 200 * time.Microsecond, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = always(time.Hour) })
	}},
	{name: "two against one", designated: "b", others: []string{"a", "c"}, run: time.Hour, settled: 10 * time.Second, most: ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = always(time.Hour) })
	}, check: func(t *testing.T, _ *world, f *Follower) {
		if v := f.sources[1].verdict; v != verdictFalse {
			t.Errorf("the wrong one is said to be: %q", v)
		}
	}},
	{name: "the designated one is an hour off", designated: "a", others: []string{"b", "c", "d"}, run: time.Hour, settled: 10 * time.Second, most: ms, playout: 200 * time.Microsecond, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = always(time.Hour) })
	}},
	{name: "the designated one is 200 ms off", designated: "a", others: []string{"b", "c"}, run: time.Hour, settled: 10 * time.Minute, most: ms, playout: ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = always(200 * ms) })
	}},
	{name: "two of five collude", designated: "c", others: []string{"a", "b", "d", "e"}, run: time.Hour, settled: 10 * time.Second, most: ms, setup: func(w *world) {
		for _, name := range []string{"a", "b"} {
			w.add(name, func(s *simulated) { s.off = always(-time.Hour) })
		}
	}},
	{name: "one of two is wrong", designated: "a", others: []string{"b"}, run: time.Hour, settled: 10 * time.Second, most: ms, setup: func(w *world) {
		w.add("b", func(s *simulated) { s.off = always(time.Minute) })
	}},
	{name: "the server's time jumps by 3 s", designated: "a", run: 2 * time.Hour, settled: time.Minute, most: 3*time.Second + ms, attacked: true, playout: 3*time.Second + ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = after(time.Hour, 3*time.Second) })
	}, check: func(t *testing.T, w *world, f *Follower) {
		if now, epoch := f.clock.Playout(); epoch < 3 || now.Sub(w.truth()) < 3*time.Second-ms {
			t.Errorf("epoch %d, %v ahead", epoch, now.Sub(w.truth()))
		}
	}},
	{name: "the server's time jumps by half a second", designated: "a", run: 2 * time.Hour, settled: time.Minute, most: 501 * ms, attacked: true, playout: 501 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = after(time.Hour, -500*ms) })
	}, check: func(t *testing.T, w *world, f *Follower) {
		if now, epoch := f.clock.Playout(); epoch != 2 || (now.Sub(w.truth())+500*ms).Abs() > ms {
			t.Errorf("epoch %d, %v ahead", epoch, now.Sub(w.truth()))
		}
	}},
	{name: "a leap second", designated: "a", others: []string{"b", "c"}, run: 2 * time.Hour, settled: time.Minute, most: 1001 * ms, attacked: true, playout: 1001 * ms, setup: func(w *world) {
		for name := range w.servers {
			w.add(name, func(s *simulated) { s.off = after(time.Hour, -time.Second) })
		}
	}, check: func(t *testing.T, w *world, f *Follower) {
		if now, epoch := f.clock.Playout(); epoch != 2 || (now.Sub(w.truth())+time.Second).Abs() > ms {
			t.Errorf("epoch %d, %v ahead", epoch, now.Sub(w.truth()))
		}
		if now := f.clock.Now(); (now.Sub(w.truth()) + time.Second).Abs() > ms {
			t.Errorf("the time of day is %v ahead", now.Sub(w.truth()))
		}
	}},
	{name: "one reply in a hundred is a lie", designated: "a", run: 4 * time.Hour, settled: time.Minute, most: ms, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.off = func(now time.Duration) time.Duration {
				if now > time.Minute && w.random.Float64() < 0.01 {
					return time.Duration((2*w.random.Float64() - 1) * float64(200*ms))
				}
				return 0
			}
		})
	}},
	{name: "flapping between two times", designated: "a", run: 2 * time.Hour, settled: time.Minute, most: ms, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.off = func(now time.Duration) time.Duration {
				if now > 10*time.Minute && s.asked.Load()%2 == 0 {
					return 5 * time.Second
				}
				return 0
			}
		})
	}},
	{name: "it wants to be asked less often", designated: "a", run: 6 * time.Hour, settled: time.Minute, most: 40 * ms, questions: 100, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.fails = func(n int) error {
				if n > 4 && n < 12 {
					return &sntp.KissError{Code: "RATE"}
				}
				return nil
			}
		})
	}},
	{name: "it refuses", designated: "a", run: 6 * time.Hour, settled: 6 * time.Hour, most: 25 * time.Hour, attacked: true, unmeasured: true, questions: 8, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.fails = func(int) error { return &sntp.KissError{Code: "DENY"} } })
	}},
	{name: "it refuses, and another doesn't", designated: "a", others: []string{"b"}, run: time.Hour, settled: 10 * time.Second, most: 2 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.fails = func(int) error { return &sntp.KissError{Code: "RSTR"} } })
	}},
	{name: "a server that is sure of 10 ms only", designated: "a", run: time.Hour, settled: time.Minute, most: 10 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off, s.root = always(9*ms), 10*ms })
	}},
	{name: "a clock with ticks of 15.6 ms", designated: "a", run: 2 * time.Hour, settled: time.Minute, most: 35 * ms, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off, s.precision = ticks, 15625*time.Microsecond })
	}},
	{name: "a clock with ticks of 15.6 ms that doesn't say so", designated: "a", run: 2 * time.Hour, settled: 10 * time.Minute, most: 60 * ms, attacked: true, setup: func(w *world) {
		w.add("a", func(s *simulated) { s.off = ticks })
	}},
	{name: "the machine sleeps, and its counter misses a part of it", designated: "a", run: 2 * time.Hour, settled: time.Minute, most: 701 * ms, attacked: true, setup: func(w *world) {
		time.AfterFunc(time.Hour, func() {
			w.slept.Store(int64(8 * time.Hour))
			w.lost.Store(int64(700 * ms))
		})
	}, check: func(t *testing.T, w *world, f *Follower) {
		if off := f.clock.Now().Sub(w.truth()); off.Abs() > ms {
			t.Errorf("off by %v", off)
		}
	}},
	{name: "the machine stands still, and doesn't know it", designated: "a", run: time.Hour + 10*time.Second, settled: time.Minute, most: 20*time.Second + ms, attacked: true, setup: func(w *world) {
		time.AfterFunc(time.Hour, func() { w.lost.Store(int64(20 * time.Second)) })
	}, check: func(t *testing.T, w *world, f *Follower) {
		if off := f.clock.Now().Sub(w.truth()); off.Abs() > ms {
			t.Errorf("ten seconds later still off by %v", off)
		}
	}},
	{name: "a pair of servers behind one address, 5 ms apart", designated: "a", run: 2 * time.Hour, settled: time.Minute, most: 6 * ms, attacked: true, setup: func(w *world) {
		w.add("a", func(s *simulated) {
			s.off = func(time.Duration) time.Duration { return time.Duration(s.asked.Load()%2) * 5 * ms }
		})
	}},
}

// In each of the scenarios the error stays below what it must, and within the bound that is reported; and no time is given that is before one that
// was given earlier.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, s.test)
		})
	}
}

func (s scenario) test(t *testing.T) {
	w := &world{t: t, random: rand.New(&locked{Source: rand.NewPCG(1, 2)}), start: time.Now(), crystal: 30e-6, servers: map[string]*simulated{}}
	for _, name := range append([]string{s.designated}, s.others...) {
		w.add(name, nil)
	}
	if s.setup != nil {
		s.setup(w)
	}
	k := New(Config{Build: build, Counter: w.counter})
	f := NewFollower(k, nil)
	f.resolve = func(_ context.Context, name string) (string, error) { return name, nil }
	f.exchange = func(ctx context.Context, addr string) (sntp.Answer, error) { return w.servers[addr].exchange(ctx) }
	f.slept = func() time.Duration { return time.Duration(w.slept.Load()) }
	f.SetServers(s.designated, s.others...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var worst, worstPlayout time.Duration
	outside := 0
	last, lastPlayout, lastEpoch := time.Time{}, time.Time{}, 0
	for time.Since(w.start) < s.run {
		time.Sleep(time.Second + 7*ms)
		civil, status := k.Now(), k.Status()
		off := civil.Sub(w.truth())
		if status.Trust == TrustNTP && !s.attacked {
			if off.Abs() > status.Bound {
				outside++
			}
			if civil.Before(last) && last.Sub(civil) < stepLimit {
				t.Errorf("the time went back by %v", last.Sub(civil))
			}
			last = civil
		}
		playout, epoch := k.Playout()
		if epoch == lastEpoch && playout.Before(lastPlayout) {
			t.Errorf("playout went back by %v", lastPlayout.Sub(playout))
		}
		lastPlayout, lastEpoch = playout, epoch
		if now := time.Since(w.start); now >= s.settled {
			worst = max(worst, off.Abs())
			right := w.truth()
			if server := w.servers[s.designated]; server.off != nil {
				right = right.Add(server.off(now))
			}
			worstPlayout = max(worstPlayout, playout.Sub(right).Abs())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	asked := 0
	for _, server := range w.servers {
		asked += int(server.asked.Load())
	}
	said := fmt.Sprintf("off by %v at most, playout by %v; %d questions; %d outside the bound", worst, worstPlayout, asked, outside)
	t.Log(said)
	if trust := k.Trust(); (trust == TrustNTP) == s.unmeasured {
		t.Errorf("trust %v", trust)
	}
	if worst > s.most || outside > 0 || s.playout > 0 && worstPlayout > s.playout || s.questions > 0 && asked > s.questions {
		t.Errorf("%s; want %v, %v, %d", said, s.most, s.playout, s.questions)
	}
	if s.check != nil {
		s.check(t, w, f)
	}
}
