package clock

import "time"

// How a timeline is corrected.
const (
	// stepLimit is the largest correction that is made gradually; a larger one is a step. A leap second is no step.
	stepLimit = 1500 * time.Millisecond
	// slewTime is how long a small correction takes.
	slewTime = 8 * time.Second
)

// slewRates are how much of the elapsed time a gradual correction may add or take, and from which correction on: 500 ppm is the rate of RFC 5905, and 5000 can't
// be seen in a moving picture.
var slewRates = []struct {
	from time.Duration
	rate float64
}{{20 * time.Millisecond, 5000e-6}, {4 * time.Millisecond, 2000e-6}, {0, 500e-6}}

// A timeline is the time as a function of a counter: straight, but for corrections that are made gradually. The zero value begins in 1970.
type timeline struct {
	// At the counter's reading from, the time since 1970 is from+offset, and the offset grows with the frequency.
	from, offset time.Duration
	frequency    float64
	// slew is what is to be added gradually from there on, at a rate.
	slew time.Duration
	rate float64
	// epoch counts the steps.
	epoch int
	// last is the largest time given in this epoch.
	last time.Duration
}

// at is the time since 1970 at a reading of the counter.
func (l *timeline) at(c time.Duration) time.Duration {
	return c + l.offset + time.Duration(l.frequency*float64(c-l.from)) + l.slewed(c)
}

// now is the time at a reading of the counter that is no earlier than those before.
func (l *timeline) now(c time.Duration) time.Time {
	l.last = max(l.last, l.at(c))
	return time.Unix(0, int64(l.last))
}

// slewed is how much of the correction has been made, and left what has not.
func (l *timeline) slewed(c time.Duration) time.Duration {
	most := time.Duration(float64(max(0, c-l.from)) * l.rate)
	return min(max(l.slew, -most), most)
}

func (l *timeline) left(c time.Duration) time.Duration { return l.slew - l.slewed(c) }

// jump sets the time at once: a new epoch begins.
func (l *timeline) jump(c, offset time.Duration, frequency float64) {
	*l = timeline{from: c, offset: offset, frequency: frequency, epoch: l.epoch + 1}
}

// steer corrects the time to an offset and frequency: gradually, unless that is asked for, or it is too far off.
func (l *timeline) steer(c, offset time.Duration, frequency float64, first bool) (diff time.Duration, stepped bool) {
	present := l.at(c) - c
	diff = offset - present
	if diff.Abs() > stepLimit || first && diff != 0 {
		l.jump(c, offset, frequency)
		return diff, diff.Abs() > stepLimit
	}
	l.from, l.offset, l.frequency, l.slew = c, present, frequency, diff
	for _, s := range slewRates {
		if l.rate = s.rate; diff.Abs() >= s.from {
			break
		}
	}
	l.rate = min(l.rate, diff.Abs().Seconds()/slewTime.Seconds())
	return diff, false
}
