package envelope_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vitrine/platform/clock/envelope"
)

// A crystal is a counter that isn't quite right, as they are: off by a constant, warming up, with the day's temperature and a random walk.
type crystal struct {
	random *rand.Rand
	// off, warm and wave are fractions: the constant part, what it drifts while it warms up, and what the temperature of a day makes.
	off, warm, wave float64
	walk            float64
	now, lacks      float64
}

// advance carries it on by seconds, in small steps.
func (c *crystal) advance(seconds float64) {
	for end := c.now + seconds; c.now < end; {
		step := min(1, end-c.now)
		c.walk += c.random.NormFloat64() * 2e-11 * math.Sqrt(step)
		f := c.off + c.walk + c.warm*math.Exp(-c.now/900) + c.wave*math.Sin(2*math.Pi*c.now/86400) + c.wave/7*math.Sin(2*math.Pi*c.now/1200)
		c.lacks += f * step
		c.now += step
	}
}

// A path delays packets, there and back, in seconds.
type path func(*rand.Rand) (there, back float64)

func lan(r *rand.Rand) (float64, float64) {
	one := func() float64 {
		d := 20e-6 + r.ExpFloat64()*10e-6
		if r.Float64() < 0.02 {
			d += r.ExpFloat64() * 1e-3
		}
		return d
	}
	return one(), one()
}

func wifi(r *rand.Rand) (float64, float64) {
	one := func() float64 {
		d := 0.8e-3 + r.ExpFloat64()*1e-3
		if r.Float64() < 0.1 {
			d += r.ExpFloat64() * 30e-3
		}
		return d
	}
	return one(), one()
}

func wan(r *rand.Rand) (float64, float64) {
	return 20e-3 + (2*r.Float64()-1)*10e-3, 20e-3 + (2*r.Float64()-1)*10e-3
}

func bloated(r *rand.Rand) (float64, float64) { return 5e-3, 5e-3 + r.ExpFloat64()*15e-3 }

// A run is a filter that follows a crystal over a path.
type run struct {
	*envelope.Filter
	crystal crystal
	path    path
	// lie changes what the server says, in seconds; nil changes nothing.
	lie  func(now float64) float64
	loss float64
}

func newRun(seed uint64, p path) *run {
	random := rand.New(rand.NewPCG(seed, 1))
	return &run{
		Filter:  envelope.New(0, false),
		crystal: crystal{random: random, off: (2*random.Float64() - 1) * 50e-6, warm: (2*random.Float64() - 1) * 5e-6, wave: 1.5e-6, lacks: 1e9},
		path:    p,
	}
}

func duration(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// true is what the counter lacks, beyond a whole number that floating point can't carry in nanoseconds.
const whole = 1e9

// poll makes an exchange after a while.
func (r *run) poll(after float64) {
	r.crystal.advance(after)
	if r.crystal.random.Float64() < r.loss {
		return
	}
	there, back := r.path(r.crystal.random)
	lacks := r.crystal.lacks - whole
	if r.lie != nil {
		lacks += r.lie(r.crystal.now)
	}
	r.Add(envelope.Sample{At: duration(r.crystal.now), Min: duration(whole) + duration(lacks-back), Max: duration(whole) + duration(lacks+there)})
}

// off is how wrong the estimate is now, and its bound, in seconds.
func (r *run) off() (err, bound float64) {
	e, ok := r.Estimate()
	if !ok {
		return math.Inf(1), math.Inf(1)
	}
	e = e.Extend(duration(r.crystal.now))
	return (e.Offset - duration(whole)).Seconds() - (r.crystal.lacks - whole), e.Bound.Seconds()
}

func percentile(errs []float64, p float64) float64 {
	sorted := slices.Clone(errs)
	for i := range sorted {
		sorted[i] = math.Abs(sorted[i])
	}
	slices.Sort(sorted)
	return sorted[int(p*float64(len(sorted)-1))]
}

// Over 450 exchanges, right after each exchange and right before the next, the error is what the paths allow, and always within the bound.
func TestFollows(t *testing.T) {
	for _, test := range []struct {
		name string
		path path
		poll float64
		loss float64
		// median and p95 are the largest that they may be, in seconds.
		median, p95 float64
	}{
		{"LAN", lan, 16, 0, 0.05e-3, 0.2e-3},
		{"Wi-Fi", wifi, 16, 0.01, 0.15e-3, 0.5e-3},
		{"20 ms with jitter", wan, 16, 0.01, 0.6e-3, 2e-3},
		{"full buffers on one side", bloated, 16, 0.01, 0.5e-3, 1.5e-3},
		{"LAN, seldom", lan, 64, 0, 0.05e-3, 0.3e-3},
		{"20 ms with jitter, seldom", wan, 64, 0.01, 1.2e-3, 4e-3},
		{"every third is lost", wan, 16, 0.33, 0.8e-3, 2.5e-3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var errs []float64
			outside := 0
			for seed := range uint64(2) {
				r := newRun(seed, test.path)
				r.loss = test.loss
				for range 8 {
					r.poll(0.25)
				}
				for r.crystal.now < 450*test.poll {
					r.poll(test.poll - 0.1)
					err, bound := r.off()
					r.crystal.advance(0.1)
					if r.crystal.now < 600 {
						continue
					}
					errs = append(errs, err)
					if math.Abs(err) > bound {
						outside++
					}
				}
			}
			median, p95, p99 := percentile(errs, 0.5), percentile(errs, 0.95), percentile(errs, 0.99)
			t.Logf("median %.3f, p95 %.3f, p99 %.3f ms; %d of %d outside their bound", median*1e3, p95*1e3, p99*1e3, outside, len(errs))
			if median > test.median || p95 > test.p95 || outside > 0 {
				t.Errorf("median %.3f, p95 %.3f ms; want %.3f and %.3f", median*1e3, p95*1e3, test.median*1e3, test.p95*1e3)
			}
		})
	}
}

// One reply in a hundred is wrong by up to 200 ms: without the doubts about them the error would be that of the lies.
func TestLiesInBetween(t *testing.T) {
	for name, test := range map[string]struct {
		path path
		p99  float64
	}{"LAN": {lan, 0.5e-3}, "Wi-Fi": {wifi, 1.5e-3}, "20 ms with jitter": {wan, 4e-3}} {
		var errs []float64
		for seed := range uint64(2) {
			r := newRun(seed, test.path)
			r.lie = func(float64) float64 {
				if r.crystal.random.Float64() < 0.01 {
					return (2*r.crystal.random.Float64() - 1) * 0.2
				}
				return 0
			}
			for r.crystal.now < 2*3600 {
				r.poll(16)
				if err, _ := r.off(); r.crystal.now > 600 {
					errs = append(errs, err)
				}
			}
		}
		if p99 := percentile(errs, 0.99); p99 > test.p99 {
			t.Errorf("%s: p99 %.3f ms, want %.3f", name, p99*1e3, test.p99*1e3)
		} else {
			t.Logf("%s: p99 %.3f ms", name, p99*1e3)
		}
	}
}

// A server whose time jumps for good is believed after three replies that agree, and not before; also over long polls with a crystal that is
// far off, where the replies agree only when they are carried on.
func TestStep(t *testing.T) {
	for _, step := range []float64{3, -3, 3600} {
		for poll, close := range map[float64]float64{16: 1e-3, 1024: 5e-3} {
			for seed := range uint64(3) {
				r := newRun(seed, lan)
				r.crystal.off = 80e-6
				for r.crystal.now < 1800 || r.crystal.now < 12*poll {
					r.poll(poll)
				}
				r.lie = func(float64) float64 { return step }
				for i := range 2 {
					r.poll(poll)
					if err, _ := r.off(); math.Abs(err) > close || r.Doubted() != i+1 {
						t.Fatalf("%v s, every %v s: after %d replies off by %v, %d doubted", step, poll, i+1, err, r.Doubted())
					}
				}
				r.poll(poll)
				if err, _ := r.off(); math.Abs(err-step) > close || r.Doubted() != 0 {
					t.Errorf("%v s, every %v s: after the third reply off by %v", step, poll, err)
				}
			}
		}
	}
}

// One reply that is far off changes nothing, however often that happens.
func TestSpikes(t *testing.T) {
	r := newRun(1, lan)
	spike := 0.0
	r.lie = func(float64) float64 { return spike }
	for i := range 500 {
		spike = 0
		if i > 20 && i%3 == 0 {
			spike = []float64{0.1, -3, 3600}[i/3%3]
		}
		r.poll(16)
		if err, _ := r.off(); math.Abs(err) > 0.5e-3 {
			t.Fatalf("off by %v", err)
		}
	}
}

// A frequency that is known holds the time without replies; what it can be off by then is said.
func TestHoldover(t *testing.T) {
	for seed := range uint64(2) {
		r := newRun(seed, lan)
		for r.crystal.now < 3*3600 {
			r.poll(16)
		}
		for range 8 {
			r.crystal.advance(3600)
			if err, bound := r.off(); math.Abs(err) > bound || bound > 200e-3 {
				t.Errorf("after %v s: off by %v, bound %v", r.crystal.now-3*3600, err, bound)
			}
		}
	}
}

// After a jump of the counter the frequency is still known, and a filter that is given one uses it.
func TestFrequencyIsKept(t *testing.T) {
	r := newRun(1, lan)
	r.crystal.off, r.crystal.warm = 40e-6, 0
	for r.crystal.now < 3600 {
		r.poll(16)
	}
	e, _ := r.Estimate()
	if math.Abs(e.Frequency-40e-6) > 2e-6 || e.FrequencyBound > 5e-6 {
		t.Fatalf("frequency %v, give or take %v", e.Frequency, e.FrequencyBound)
	}
	r.Reset()
	if _, ok := r.Estimate(); ok {
		t.Error("an estimate without samples")
	}
	r.poll(16)
	if after, _ := r.Estimate(); math.Abs(after.Frequency-e.Frequency) > 1e-6 {
		t.Errorf("it was %v, and is %v", e.Frequency, after.Frequency)
	}
	other := newRun(2, wan)
	other.crystal.off, other.crystal.warm = 40e-6, 0
	other.Filter = envelope.New(e.Frequency, true)
	for range 30 {
		other.poll(2)
	}
	if err, bound := other.off(); math.Abs(err) > bound || math.Abs(err) > 6e-3 {
		t.Errorf("a minute after the start off by %v, bound %v", err, bound)
	}
	if f := envelope.New(1, true); f == nil {
		t.Error("no filter")
	}
}

// A crystal that is worse than any should be is still followed.
func TestBadCrystal(t *testing.T) {
	r := newRun(1, wifi)
	r.crystal.off = 200e-6
	for r.crystal.now < 3600 {
		r.poll(16)
	}
	if err, bound := r.off(); math.Abs(err) > 1e-3 || math.Abs(err) > bound {
		t.Errorf("off by %v, bound %v", err, bound)
	}
}

// Whatever comes, there is an estimate, its bound is none below zero, and the search ends.
func FuzzFilter(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 200, 3, 16, 0, 90, 17, 8, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		filter := envelope.New(0, false)
		var at time.Duration
		for len(data) >= 4 {
			at += time.Duration(data[0])*time.Second + time.Duration(data[1])
			offset := time.Duration(int8(data[2])) * time.Duration(1<<(data[3]&63))
			width := time.Duration(data[1]) << (data[3] & 31)
			filter.Add(envelope.Sample{At: at, Min: offset, Max: offset + width})
			if e, ok := filter.Estimate(); !ok || e.Bound < 0 || math.IsNaN(e.Frequency) || math.Abs(e.Frequency) > 501e-6 {
				t.Fatalf("%+v, %v", e, ok)
			}
			data = data[4:]
		}
	})
}
