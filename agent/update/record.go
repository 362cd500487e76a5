package update

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vitrine/content/digest"
)

// maxStarts is how often a release on trial is started that hasn't failed itself: the power may go in the middle of a good one. maxFailed is how many that
// have failed are remembered.
const (
	maxStarts = 3
	maxFailed = 20
)

// A Record is which releases there are. All of it is pure: nothing here looks at a disk or a clock.
type Record struct {
	// Base is the installed program that was last started.
	Base Base `json:"base,omitzero"`
	// Confirmed is the release that has proved itself last, and Previous the one that had before; nil for none, or the base.
	Confirmed *Release `json:"confirmed,omitempty"`
	Previous  *Release `json:"previous,omitempty"`
	// Trial is the one that is to prove itself; nil if none is.
	Trial *Trial `json:"trial,omitempty"`
	// Failed are those that haven't, the last one last. They aren't tried again.
	Failed []Failure `json:"failed,omitempty"`
	// Newest is when the newest release was made that has proved itself: none older is taken.
	Newest time.Time `json:"newest,omitzero"`
}

// A Trial is a release that is to prove itself.
type Trial struct {
	Release
	// Ready tells that it may be started: until then it waits for a good moment.
	Ready bool `json:"ready,omitempty"`
	// Starts is how often it was started, and Boot the run of the machine in which it was last.
	Starts int    `json:"starts"`
	Boot   string `json:"boot,omitempty"`
	// Paused tells that whoever has the right to has ended it, and not it itself.
	Paused bool `json:"paused,omitempty"`
	// Screen tells that the screen was right before it. If it wasn't, that isn't asked of the trial either.
	Screen bool `json:"screen,omitempty"`
}

// A Failure is a release that has failed its trial.
type Failure struct {
	Digest  digest.Digest `json:"digest"`
	Version string        `json:"version"`
	Why     string        `json:"why"`
	// Alone tells that it had no session, and that it isn't known yet whose fault that was.
	Alone bool `json:"alone,omitempty"`
	// Told tells that the server has been told.
	Told bool `json:"told,omitempty"`
}

func (r Record) clone() Record {
	r.Failed = slices.Clone(r.Failed)
	for _, p := range []**Release{&r.Confirmed, &r.Previous} {
		if *p != nil {
			copied := **p
			*p = &copied
		}
	}
	if r.Trial != nil {
		copied := *r.Trial
		r.Trial = &copied
	}
	return r
}

// all are the releases that stay on disk.
func (r Record) all() (list []Release) {
	if r.Trial != nil {
		list = append(list, r.Trial.Release)
	}
	for _, p := range []*Release{r.Confirmed, r.Previous} {
		if p != nil {
			list = append(list, *p)
		}
	}
	return list
}

// Runs names the release that runs in place of a program that was made at built; empty for none.
func (r Record) Runs(built time.Time) string {
	switch {
	case r.Trial != nil && r.Trial.Starts > 0:
		return r.Trial.Version + ", on trial"
	case r.Confirmed != nil && r.Confirmed.Made.After(built):
		return r.Confirmed.Version
	}
	return ""
}

// failure is why a release has failed; nil if it hasn't.
func (r Record) failure(d digest.Digest) *Failure {
	for i := range r.Failed {
		if r.Failed[i].Digest == d {
			return &r.Failed[i]
		}
	}
	return nil
}

// ErrOlder is that a release is no newer than what there is.
var ErrOlder = errors.New("it is older than what runs here, or has run; only a newer one is taken")

// Refuses says why a release is not to be tried, beside a program that was made at running.
func (r Record) Refuses(wanted Release, running time.Time) error {
	if f := r.failure(wanted.Digest); f != nil {
		return fmt.Errorf("it has failed here, and isn't tried again: %s", f.Why)
	}
	if !wanted.Made.After(running) || wanted.Made.Before(r.Newest) {
		return ErrOlder
	}
	return nil
}

// fail ends the trial.
func (r *Record) fail(why string) {
	if r.Trial == nil {
		return
	}
	f := Failure{Digest: r.Trial.Digest, Version: r.Trial.Version, Why: why}
	r.Failed = slices.DeleteFunc(r.Failed, func(old Failure) bool { return old.Digest == f.Digest })
	r.Failed = append(r.Failed, f)
	r.Failed = r.Failed[max(0, len(r.Failed)-maxFailed):]
	r.Trial = nil
}

// judge says whose fault it was that releases had no session: theirs, or nobody's here, and then they may be tried again.
func (r *Record) judge(theirs bool) {
	if !theirs {
		r.Failed = slices.DeleteFunc(r.Failed, func(f Failure) bool { return f.Alone })
	}
	for i := range r.Failed {
		r.Failed[i].Alone = false
	}
}

// confirm makes the release on trial the one that runs from now on.
func (r *Record) confirm() {
	if r.Trial == nil {
		return
	}
	confirmed := r.Trial.Release
	r.Previous, r.Confirmed, r.Trial = r.Confirmed, &confirmed, nil
	if confirmed.Made.After(r.Newest) {
		r.Newest = confirmed.Made
	}
}

// drop forgets a release that is damaged on disk, so that it can be fetched again.
func (r *Record) drop(d digest.Digest) {
	if r.Previous != nil && r.Previous.Digest == d {
		r.Previous = nil
	}
	if r.Confirmed != nil && r.Confirmed.Digest == d {
		r.Confirmed, r.Previous = r.Previous, nil
	}
	if r.Trial != nil && r.Trial.Digest == d {
		r.Trial = nil
	}
}

// settle judges, at a start, how the last run of a trial has ended: by itself, in the same run of the machine, is a failure; with the machine is none, but
// there are only so many starts.
func (r *Record) settle(boot string) {
	switch t := r.Trial; {
	case t == nil || t.Starts == 0:
	case !t.Paused && (t.Boot == boot || boot == ""):
		r.fail("it ended before it had proved itself: it crashed, was killed, or hung and was ended by a watchdog")
	case t.Starts >= maxStarts:
		r.fail(fmt.Sprintf("it was started %d times, and never lasted long enough to prove itself", t.Starts))
	}
}

// begin counts a start of the trial.
func (r *Record) begin(boot string) {
	r.Trial.Starts++
	r.Trial.Boot, r.Trial.Paused = boot, false
}
