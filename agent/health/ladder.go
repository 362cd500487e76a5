package health

import (
	"errors"
	"fmt"
	"time"
)

// A Step is what can be done about a wrong screen; each is harder than the one before.
type Step uint8

// The steps.
const (
	Reload Step = iota
	Browser
	Agent
	Reboot
	steps
)

// names are those in the file, and words what is said of a step that was taken.
var (
	names = [steps]string{"reload", "browser", "agent", "reboot"}
	words = [steps]string{"the page was told to load itself again", "the browser is started again", "the agent starts again", "the machine starts again"}
	// daily is how many of each a day may have, and settles how long each is given to help, in Limits.Settle.
	daily   = [steps]int{12, 8, 3, 1}
	settles = [steps]time.Duration{1, 2, 3, 5}
)

// ranges are the steps that may help against each kind. A page that says nothing doesn't hear that it is to load itself again. What isn't drawn may be a
// display that is off, and a wrong programme is a picture at least: for those the machine isn't restarted.
var ranges = map[Kind]struct{ first, last Step }{
	Gone:   {Browser, Reboot},
	Silent: {Browser, Reboot},
	Wrong:  {Reload, Agent},
	Frozen: {Reload, Browser},
}

const (
	// remembered is for how long a step that didn't help is the reason for a harder one.
	remembered = 20 * time.Minute
	day        = 24 * time.Hour
	// mostPatience is how many times the usual wait for a page may become.
	mostPatience = 4
)

// A Taken is a step that was taken.
type Taken struct {
	Step Step      `json:"step"`
	At   time.Time `json:"at"`
	Why  string    `json:"why,omitempty"`
}

// MarshalText writes a step by its name.
func (s Step) MarshalText() ([]byte, error) {
	if s >= steps {
		return nil, fmt.Errorf("step %d isn't one", s)
	}
	return []byte(names[s]), nil
}

// UnmarshalText reads it.
func (s *Step) UnmarshalText(text []byte) error {
	for i, name := range names {
		if name == string(text) {
			*s = Step(i)
			return nil
		}
	}
	return fmt.Errorf("step %.20q isn't one", text)
}

// recent are the steps of the last day. One from the future was taken by a clock that was wrong: it counts from now on.
func recent(taken []Taken, now time.Time) []Taken {
	var left []Taken
	for _, t := range taken {
		if t.At.After(now) {
			t.At = now
		}
		if now.Sub(t.At) < day {
			left = append(left, t)
		}
	}
	return left
}

// errSettling is that the last step is given time to help.
var errSettling = errors.New("the last step is given time to help")

// next is the step to take now, after those that were taken. can says why one can't be taken here. It fails if none is left today, or not yet.
func next(kind Kind, ours bool, taken []Taken, now time.Time, settle time.Duration, can func(Step) error) (Step, error) {
	r := ranges[kind]
	if !ours {
		r.last = Reload // the browser and the machine are somebody else's
	}
	first := r.first
	if len(taken) > 0 {
		last := taken[len(taken)-1]
		since := now.Sub(last.At)
		if since < settle*settles[last.Step] {
			return 0, errSettling
		}
		if since < remembered {
			first = max(first, last.Step+1)
		}
	}
	err := errors.New("there is nothing harder that may help")
	for s := first; s <= r.last; s++ {
		if n := count(taken, s); n >= daily[s] {
			err = fmt.Errorf("that was done %d times within a day", n)
			continue
		}
		if err = can(s); err == nil {
			return s, nil
		}
	}
	return 0, err
}

// patience is for how long a page may be missing: longer after each step that didn't help. A machine on which a browser takes two minutes to start, with a slow
// card or in a virtual machine, would otherwise never have one for all the help.
func patience(gone time.Duration, taken []Taken, now time.Time) time.Duration {
	longer := gone
	for _, t := range taken {
		if since := now.Sub(t.At); since >= 0 && since < remembered {
			longer += gone
		}
	}
	return min(longer, mostPatience*gone)
}

func count(taken []Taken, s Step) (n int) {
	for _, t := range taken {
		if t.Step == s {
			n++
		}
	}
	return n
}
