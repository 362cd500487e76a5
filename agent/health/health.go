// Package health asks whether the right thing is on the glass, and mends it by growing means: the page is loaded again, then the browser started
// again, then the agent, then the machine.
//
// It owns what counts as wrong and for how long, the order of the steps, how many of each a day may have, and when watchdogs are fed. It never looks
// for itself and takes no step itself: it is told what is seen, and calls functions. When in doubt it reports, and leaves the screen alone.
package health

import (
	"fmt"
	"time"
)

// Limits are for how long something must be wrong before it counts, and how long the mildest step is given to help; harder ones are given more.
type Limits struct {
	Gone, Silent, Wrong, Frozen time.Duration
	Settle                      time.Duration
}

// Usual are the limits: a browser takes a while to start on a small machine, and a page to load a large film. Pages speak every 10 s.
var Usual = Limits{Gone: 90 * time.Second, Silent: 60 * time.Second, Wrong: 60 * time.Second, Frozen: 45 * time.Second, Settle: time.Minute}

const (
	// moves is for how long films must have run for a page to count as one that moves, and blindAfter for how long without a frame on the screen.
	moves      = 5 * time.Second
	blindAfter = 30 * time.Second
	// pause is a time between two looks in which this machine, or this process, must have stood still, and step a change of the clock that isn't its pace.
	pause = 30 * time.Second
	step  = 2 * time.Second
)

// An Observation is what is seen at one moment.
type Observation struct {
	// Now is by the monotonic clock, and Wall by the clock of the schedule, which may step.
	Now, Wall time.Time
	// Nothing is true if there is nothing to be seen: on standby, or before the first programme.
	Nothing bool
	// Ours is true if this viewer runs a browser, of which it has started so many.
	Ours   bool
	Starts int
	// Page is the page in that browser, or, if the viewer runs none, the one page that is open; nil if there is none.
	Page *Page
}

// A Page is what is known of an open page.
type Page struct {
	// Opened tells a page from the one before; Heard is when it last said anything.
	Opened, Heard time.Time
	Visible       bool
	// Frames and Drawn are how many frames of the page and of its films were given to the screen, Moved is for how long films have run, and Changes is how often
	// it has said that something else is on.
	Frames, Drawn, Changes int64
	Moved                  time.Duration
	// Wrong says what it shows in place of what it should; empty if it shows the right thing.
	Wrong string
}

// A Kind is a way in which the screen can be wrong.
type Kind uint8

// The kinds. Each has the steps that may help.
const (
	Right Kind = iota
	// Gone is that there is no page, Silent that it says nothing.
	Gone
	Silent
	// Wrong is that it says that it shows something else than it should.
	Wrong
	// Frozen is that what it shows changes, and nothing of that comes to the screen.
	Frozen
)

// A Verdict is what a Judge finds.
type Verdict struct {
	Kind Kind
	// Why says it in a technician's words, which are the same as long as it lasts; empty if all is right.
	Why string
}

// A Judge compares observations with each other. It needs its Limits, and nothing else; it isn't safe for concurrent use.
type Judge struct {
	Limits
	last Observation
	// heard is when any page last said anything, or when there began to be anything to compare.
	heard time.Time
	// gone and wrong are since when there is no page, or a wrong one; zero if that isn't so.
	gone, wrong time.Time
	// frame and film are the page as it was when the last frame came, of itself, at framed, and of a film.
	frame, film Page
	framed      time.Time
}

// Look takes an observation, and says whether something has been wrong for too long.
func (j *Judge) Look(o Observation) Verdict {
	defer func() { j.last = o }()
	elapsed := o.Now.Sub(j.last.Now)
	stepped := (o.Wall.Sub(j.last.Wall) - elapsed).Abs() > step
	if j.last.Now.IsZero() || elapsed > pause || o.Nothing {
		j.begin(o)
		return Verdict{}
	}
	if stepped {
		j.wrong = time.Time{} // the page needs a moment to follow, too
	}
	if o.Page == nil {
		return j.without(o)
	}
	j.gone = time.Time{}
	if o.Page.Heard.After(j.heard) {
		j.heard = o.Page.Heard
	}
	silence := o.Now.Sub(j.heard)
	// One that has only just come has its time to say something, but not each of many that come and go.
	mute := silence > j.Silent && (o.Now.Sub(o.Page.Opened) > j.Silent || silence > j.Gone+j.Silent)
	switch {
	case o.Ours && mute:
		return Verdict{Silent, fmt.Sprintf("the page has said nothing for more than %v", j.Silent)}
	case o.Page.Wrong == "" || stepped:
		j.wrong = time.Time{}
	case j.wrong.IsZero():
		j.wrong = o.Now
	}
	// What a page shows that hasn't spoken for a while, nobody knows.
	if !j.wrong.IsZero() && o.Now.Sub(j.wrong) >= j.Wrong && silence <= j.Silent/2 && (o.Ours || o.Page.Visible) {
		return Verdict{Wrong, o.Page.Wrong}
	}
	return j.frozen(o)
}

// begin forgets what was: whatever stood still needs time to come back.
func (j *Judge) begin(o Observation) {
	*j = Judge{Limits: j.Limits}
	if o.Page != nil {
		j.frame, j.film = *o.Page, *o.Page
	}
	j.heard, j.framed = o.Now, o.Now
}

// without is for a moment without a page. If somebody else runs the browser, he may have closed it. One that can't be run at all is reported by whoever
// runs it; neither this agent nor the machine is the reason.
func (j *Judge) without(o Observation) Verdict {
	j.wrong = time.Time{}
	if !o.Ours || o.Starts == 0 {
		j.gone = time.Time{}
		return Verdict{}
	}
	if j.gone.IsZero() {
		j.gone = o.Now
	}
	if o.Now.Sub(j.gone) < j.Gone {
		return Verdict{}
	}
	return Verdict{Gone, fmt.Sprintf("no page has been open for more than %v", j.Gone)}
}

// frozen looks for what moves and isn't drawn. A picture at rest needs no frames, and a page that can't be seen gets none.
func (j *Judge) frozen(o Observation) Verdict {
	p := *o.Page
	fresh := !p.Visible || !p.Opened.Equal(j.frame.Opened)
	if fresh || p.Frames != j.frame.Frames {
		j.frame, j.framed = p, o.Now
	}
	if fresh || p.Drawn != j.film.Drawn {
		j.film = p
	}
	moved := p.Changes != j.frame.Changes || p.Moved-j.frame.Moved > moves
	switch {
	case moved && o.Now.Sub(j.framed) >= j.Frozen:
		return Verdict{Frozen, fmt.Sprintf("nothing of the page has come to the screen for more than %v", j.Frozen)}
	case p.Moved-j.film.Moved >= blindAfter:
		return Verdict{Frozen, fmt.Sprintf("films have run for more than %v, and no frame of them has come to the screen", blindAfter)}
	}
	return Verdict{}
}
