// Package envelope estimates a clock's offset and frequency from what exchanges of NTP prove about it.
//
// It owns the estimate: a question and its answer prove that the offset lay between two values, which are a round trip apart, whatever the
// network did. The filter looks for the straight line that stays within all of these intervals with the most room on both sides (Marzullo's
// intersection, carried on over time), instead of averaging offsets, which the network's queues distort. It asks no servers, reads no clock
// and logs nothing.
package envelope

import (
	"math"
	"time"
)

// A Sample is what one exchange proves: at that moment the offset was between Min and Max.
type Sample struct {
	// At is a reading of a counter that nobody sets or steers, such as CLOCK_MONOTONIC_RAW.
	At time.Duration
	// Min and Max bound what the counter lacks to the true time; they are a round trip apart.
	Min, Max time.Duration
}

// A Verdict says what a filter made of a sample.
type Verdict int

// The verdicts.
const (
	// Accepted: it agrees with what is known, and is part of the estimate.
	Accepted Verdict = iota
	// Doubted: it contradicts what is known, and changes nothing until others agree with it.
	Doubted
	// Stepped: it was the last of those that agree with each other, and not with what was known: the estimate starts anew with them.
	Stepped
)

// The parameters of the filter.
const (
	// maxFrequency bounds the error of any counter: 500 ppm, as RFC 5905 has it.
	maxFrequency = 500e-6
	// unknownFrequency is how wrong a crystal is before anything is known of it; knownFrequency, one whose frequency is remembered; settled, one
	// that was followed for settleTime.
	unknownFrequency = 100e-6
	knownFrequency   = 8e-6
	settledFrequency = 20e-6
	settleTime       = 600.0
	// badTime is after how many seconds of samples that contradict each other the crystal is taken to be worse than it should.
	badTime = 300.0

	// ageing is how fast the frequency of a crystal may change, per second: 0.5 ppb. A bound gets wider with the square of its age, so that old
	// ones stop binding by themselves, soon on a network with small round trips and late on one with large ones.
	ageing = 0.5e-9
	// hardAgeing is the same for what a bound says, which holds also while a device warms up.
	hardAgeing = 6e-9
	// wander is how far the frequency may be from the estimate after a while without samples, in the long run and in the first hour.
	wander     = 2e-6
	warmWander = 5e-6
	warmTime   = 3600.0
	// slack is by how much timestamps themselves may be wrong, in seconds.
	slack = 10e-6

	// maxSamples and maxAge bound the window, of which at least minSamples stay whatever their age.
	maxSamples = 256
	maxAge     = 3600.0
	minSamples = 8
	// misfit is how negative the gap may be, in seconds, before the oldest samples are taken to be of another line.
	misfit = 50e-6
	// restless is the time, in seconds, within which a second contradiction is taken for noise of the server, of which calm is what stays with each
	// sample that fits.
	restless = 3600.0
	calm     = 0.995
	// agreeing is how many samples in a row must agree to be believed against what is known, and alike how well, in seconds.
	agreeing = 3
	alike    = 1e-3
	// despair is how many samples in a row that agree neither with what is known nor with each other show that the server is noisier than was
	// thought; mostNoise is the most, in seconds, that is still taken for noise.
	despair   = 8
	mostNoise = 0.1
	// robustFrom is the number of samples from which on the tightest bound of each side is passed over: it may be a lie.
	robustFrom = 16
)

// point is a sample in seconds: its time since the filter's first, and bounds of the offset beyond the filter's first.
type point struct{ at, min, max float64 }

// A Filter estimates from samples. It is not safe for concurrent use; make one with New.
type Filter struct {
	// origin and base are what points count from.
	origin, base time.Duration
	points       []point
	doubted      []point
	// frequency is the running estimate, and near how far the search goes from it.
	frequency, near float64
	// noise widens all bounds, in seconds: some servers' clocks tick coarsely, and don't say so. contradicted is when it was last contradicted.
	noise        float64
	contradicted time.Duration
	estimate     Estimate
}

// New makes a filter for a counter of which the frequency is known from earlier (a fraction: 1e-6 is 1 ppm), or not.
func New(frequency float64, known bool) *Filter {
	f := &Filter{near: unknownFrequency}
	if known && math.Abs(frequency) <= maxFrequency {
		f.frequency, f.near = frequency, knownFrequency
	}
	return f
}

// Reset forgets all samples, but not the frequency: for a counter that jumped, as over a suspend.
func (f *Filter) Reset() {
	f.points, f.doubted, f.estimate = nil, nil, Estimate{}
}

// An Estimate is a straight line through the offsets, and how far it can be wrong.
type Estimate struct {
	// At is the counter's reading for which Offset and Bound hold.
	At time.Duration
	// Offset is what the counter lacks to the true time.
	Offset time.Duration
	// Bound is the most by which Offset can be wrong, as long as the server is right.
	Bound time.Duration
	// Frequency is how much more the counter lacks with every second, as a fraction; FrequencyBound is by how much that can be wrong.
	Frequency, FrequencyBound float64
	// Samples is the number that it rests on, and Span the time between the first of them and the last.
	Samples int
	Span    time.Duration
}

// Extend is the estimate carried on to another reading of the counter, with a bound that grows.
func (e Estimate) Extend(at time.Duration) Estimate {
	age := (at - e.At).Seconds()
	drift := wander
	if e.Span.Seconds() < warmTime {
		drift = warmWander
	}
	e.Offset += seconds(e.Frequency * age)
	e.Bound += seconds((e.FrequencyBound + drift) * math.Abs(age))
	e.At = at
	return e
}

// Estimate is the present estimate, as of the last sample; ok is false before the first.
func (f *Filter) Estimate() (e Estimate, ok bool) { return f.estimate, len(f.points) > 0 }

// Doubted is the number of samples in a row that contradict what is known.
func (f *Filter) Doubted() int { return len(f.doubted) }

// Add takes a sample. Samples come in the order of their times.
func (f *Filter) Add(s Sample) Verdict {
	if len(f.points) == 0 {
		f.origin, f.base = s.At, s.Min+(s.Max-s.Min)/2
	}
	p := point{(s.At - f.origin).Seconds(), (s.Min - f.base).Seconds() - slack, (s.Max - f.base).Seconds() + slack}
	verdict := Accepted
	if f.contradicts(p) {
		if f.doubted = append(f.doubted, p); !f.agree() {
			return Doubted
		}
		before := f.estimate.Extend(s.At).Offset
		f.restart()
		verdict = Stepped
		f.contradiction(s.At, (s.Min + (s.Max-s.Min)/2 - before).Abs().Seconds())
	} else {
		f.points = append(f.points, p)
		if f.noise *= calm; f.noise < slack {
			f.noise = 0
		}
	}
	f.doubted = nil
	f.fit()
	return verdict
}

// contradicts tells whether a sample's interval has nothing in common with what is known.
func (f *Filter) contradicts(p point) bool {
	if len(f.points) == 0 {
		return false
	}
	const tolerance = 0.5e-3
	now := f.estimate.Extend(f.origin + seconds(p.at))
	middle, half := (now.Offset - f.base).Seconds(), now.Bound.Seconds()+tolerance
	return p.max < middle-half || p.min > middle+half
}

// agree tells whether the last doubted samples are to be believed against what is known, because they agree with each other, or because there are so
// many that the server must be noisy. If so, only those that are to be believed are left.
func (f *Filter) agree() bool {
	if len(f.doubted) > despair {
		f.doubted = f.doubted[1:]
	}
	if len(f.doubted) < agreeing {
		return false
	}
	last := f.doubted[len(f.doubted)-agreeing:]
	if f.disagreement(last) <= 0 {
		f.doubted = last
		return true
	}
	if len(f.doubted) < despair {
		return false
	}
	noise := f.disagreement(f.doubted) / 2
	if noise > mostNoise {
		return false
	}
	f.noise = max(f.noise, noise)
	return true
}

// disagreement is by how many seconds samples contradict each other; 0 or less if they agree.
func (f *Filter) disagreement(points []point) float64 {
	last := points[len(points)-1]
	low, high := math.Inf(-1), math.Inf(1)
	for _, p := range points {
		// Carried on to the last by the frequency: over long polls a crystal alone makes more of a difference than the tolerance.
		shift := f.frequency * (last.at - p.at)
		spread := alike/2 + f.near*(last.at-p.at)
		low, high = max(low, p.min+shift-spread), min(high, p.max+shift+spread)
	}
	return low - high
}

// contradiction notes that samples contradict each other by so many seconds. A server that steps does that once.
func (f *Filter) contradiction(at time.Duration, by float64) {
	if f.contradicted > 0 && (at-f.contradicted).Seconds() < restless {
		f.noise = max(f.noise, min(by, mostNoise)/2)
	}
	f.contradicted = at
}

// restart begins anew with the doubted samples, and lets points count from the first of them.
func (f *Filter) restart() {
	f.points = f.doubted
	first := f.points[0]
	at, offset := first.at, first.min+(first.max-first.min)/2
	f.origin += seconds(at)
	f.base += seconds(offset)
	// What was rounded off is far below the slack.
	moved := make([]point, len(f.points))
	for i, p := range f.points {
		moved[i] = point{p.at - at, p.min - offset, p.max - offset}
	}
	f.points = moved
}

// fit estimates anew.
func (f *Filter) fit() {
	now := f.points[len(f.points)-1].at
	f.forget(now)
	w := f.window(now, ageing)
	frequency, gap := w.best(f.frequency, f.near)
	if gap < -misfit && len(f.points) >= minSamples && now-f.points[0].at > badTime {
		if other, wider := w.best(0, maxFrequency); wider > gap {
			frequency, gap = other, wider
		}
	}
	for gap < -misfit && len(f.points) > minSamples {
		f.points = f.points[1:]
		w = f.window(now, ageing)
		frequency, gap = w.best(f.frequency, f.near)
	}
	if gap < -misfit {
		f.contradiction(f.origin+seconds(now), -gap)
	}
	f.frequency = w.nearest(frequency, gap, f.frequency)
	low, high := w.edges(f.frequency)
	offset := (low + high) / 2
	hard := f.window(now, hardAgeing)
	from, to := hard.feasible(f.frequency)
	span := now - f.points[0].at
	if span > settleTime {
		f.near = settledFrequency
	}
	f.estimate = Estimate{
		At:             f.origin + seconds(now),
		Offset:         f.base + seconds(offset),
		Bound:          seconds(max(hard.reach(from, to, offset), math.Abs(high-low)/2)),
		Frequency:      f.frequency,
		FrequencyBound: max(to-f.frequency, f.frequency-from),
		Samples:        len(f.points),
		Span:           seconds(span),
	}
}

// forget drops samples that are too old or too many.
func (f *Filter) forget(now float64) {
	for len(f.points) > maxSamples || len(f.points) > minSamples && now-f.points[0].at > maxAge {
		f.points = f.points[1:]
	}
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }
