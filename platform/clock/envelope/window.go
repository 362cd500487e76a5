package envelope

import (
	"math"
	"slices"
)

// A window is the samples as seen from the moment of the last of them: the age of each, and the bounds at that age, widened by what a crystal may have
// done since.
type window struct {
	age, min, max []float64
	// passed is how many of the tightest bounds of each side are passed over.
	passed int
}

func (f *Filter) window(now, ageing float64) *window {
	n := len(f.points)
	all := make([]float64, 3*n)
	w := &window{age: all[:n], min: all[n : 2*n], max: all[2*n:]}
	for i, p := range f.points {
		age := now - p.at
		wide := ageing*age*age/2 + f.noise
		w.age[i], w.min[i], w.max[i] = age, p.min-wide, p.max+wide
	}
	if n >= robustFrom {
		w.passed = 1
	}
	return w
}

// edges are the bounds of the offset now, if the frequency is as given.
func (w *window) edges(frequency float64) (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	low2, high2 := low, high
	for i, age := range w.age {
		if v := w.min[i] + frequency*age; v > low {
			low, low2 = v, low
		} else if v > low2 {
			low2 = v
		}
		if v := w.max[i] + frequency*age; v < high {
			high, high2 = v, high
		} else if v < high2 {
			high2 = v
		}
	}
	if w.passed > 0 {
		return low2, high2
	}
	return low, high
}

func (w *window) gap(frequency float64) float64 {
	low, high := w.edges(frequency)
	return high - low
}

// best is the frequency with the largest gap, within near of a guess.
func (w *window) best(guess, near float64) (frequency, gap float64) {
	from, to := max(guess-near, -maxFrequency), min(guess+near, maxFrequency)
	frequency = maximum(w.gap, from, to)
	return frequency, w.gap(frequency)
}

// nearest is the frequency closest to the one before, of those whose gap is about as large as the best one's. That smooths it: what the samples
// don't tell apart stays as it was.
func (w *window) nearest(best, gap, before float64) float64 {
	least := gap - max(slack, w.excess(best, gap))
	if w.gap(before) >= least {
		return before
	}
	return edge(func(frequency float64) bool { return w.gap(frequency) >= least }, best, before)
}

// excess is how much the samples typically fall short of the tightest ones, per sample: about how well the gap's place is known.
func (w *window) excess(frequency, gap float64) float64 {
	widths := make([]float64, len(w.age))
	for i := range widths {
		widths[i] = w.max[i] - w.min[i]
	}
	slices.Sort(widths)
	return max(0, widths[len(widths)/2]-gap) / float64(len(widths))
}

// feasible are the least and the largest frequency that no sample contradicts, around one of them.
func (w *window) feasible(best float64) (from, to float64) {
	if w.gap(best) < 0 {
		return best, best
	}
	fits := func(frequency float64) bool { return w.gap(frequency) >= 0 }
	return edge(fits, best, -maxFrequency), edge(fits, best, maxFrequency)
}

// reach is how far the offset now can be from the one given, whichever of the frequencies it is.
func (w *window) reach(from, to, offset float64) float64 {
	low := func(frequency float64) float64 { l, _ := w.edges(frequency); return -l }
	high := func(frequency float64) float64 { _, h := w.edges(frequency); return h }
	lowest, highest := -low(maximum(low, from, to)), high(maximum(high, from, to))
	return max(offset-lowest, highest-offset)
}

// searchSteps narrow a range of 1000 ppm to 1e-4 ppm.
const searchSteps = 34

// maximum is where a function that rises and then falls is largest, by golden section.
func maximum(f func(float64) float64, from, to float64) float64 {
	const ratio = 0.6180339887498949
	a, b := to-ratio*(to-from), from+ratio*(to-from)
	fa, fb := f(a), f(b)
	for range searchSteps {
		if fa < fb {
			from, a, fa = a, b, fb
			b = from + ratio*(to-from)
			fb = f(b)
		} else {
			to, b, fb = b, a, fa
			a = to - ratio*(to-from)
			fa = f(a)
		}
	}
	return (from + to) / 2
}

// edge is the last place on the way from one where ok holds to another, by bisection.
func edge(ok func(float64) bool, inside, toward float64) float64 {
	if ok(toward) {
		return toward
	}
	for range searchSteps {
		if middle := (inside + toward) / 2; ok(middle) {
			inside = middle
		} else {
			toward = middle
		}
	}
	return inside
}
