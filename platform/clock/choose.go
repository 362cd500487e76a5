package clock

import (
	"fmt"
	"slices"
	"time"

	"vitrine/platform/clock/envelope"
)

// A line is what one source says: the time as a line over the counter, with a bound that has the source's own distance from the true time in it.
type line struct {
	envelope.Estimate
	// root is the source's own distance.
	root time.Duration
}

func (l line) extend(at time.Duration) line {
	l.Estimate = l.Estimate.Extend(at)
	l.Bound += l.root
	l.root = 0
	return l
}

// A voter is a source as the choice sees it.
type voter struct {
	name string
	line line
	// designated is true for the one that screens follow.
	designated bool
	// verdict says why it is used or not; choose sets it.
	verdict string
}

// A choice is what follows from all sources.
type choice struct {
	civil, playout line
	// source is the name of the one that the time of day comes from.
	source string
	// agreed is false if the sources contradict each other, and no majority decides.
	agreed bool
}

// The verdicts on sources.
const (
	verdictUsed     = "used"
	verdictAgrees   = "agrees"
	verdictFalse    = "contradicts the majority"
	verdictDisputed = "sources contradict each other"
)

// choose decides which source to follow: for playout the designated one, whatever the others say; for the time of day one of those that the majority of three or
// more agrees with (the intersection algorithm of RFC 5905, section 11.2.1), the designated one if it is among them. With two that contradict
// each other nobody can tell which is right: it stays with the first. voters come in the order of preference and there is at least one.
func choose(voters []voter, at time.Duration) choice {
	first := 0
	if i := slices.IndexFunc(voters, func(v voter) bool { return v.designated }); i >= 0 {
		first = i
	}
	c := choice{playout: voters[first].line, agreed: true}
	low, high, most := intersect(voters, at)
	used := first
	switch {
	case len(voters) == 1:
	case 2*most <= len(voters) || len(voters) == 2 && most < 2:
		c.agreed = false
		for i := range voters {
			voters[i].verdict = verdictDisputed
		}
	default:
		best := -1
		for i := range voters {
			v := &voters[i]
			l := v.line.extend(at)
			if l.Offset-l.Bound > high || l.Offset+l.Bound < low {
				v.verdict = verdictFalse
				continue
			}
			v.verdict = verdictAgrees
			if best < 0 || i == first || best != first && l.Bound < voters[best].line.extend(at).Bound {
				best = i
			}
		}
		used = best
	}
	c.civil, c.source = voters[used].line, voters[used].name
	voters[used].verdict = verdictUsed
	if !c.agreed {
		voters[used].verdict = fmt.Sprintf("%s, although %s", verdictUsed, verdictDisputed)
	}
	return c
}

// intersect is the interval that most of the sources have in common, and how many that are.
func intersect(voters []voter, at time.Duration) (low, high time.Duration, most int) {
	type edge struct {
		at   time.Duration
		open int
	}
	edges := make([]edge, 0, 2*len(voters))
	for _, v := range voters {
		l := v.line.extend(at)
		edges = append(edges, edge{l.Offset - l.Bound, 1}, edge{l.Offset + l.Bound, -1})
	}
	// Where one ends and another begins they still have a point in common.
	slices.SortFunc(edges, func(a, b edge) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return b.open - a.open
	})
	open := 0
	for i, e := range edges {
		if open += e.open; open > most {
			most, low, high = open, e.at, edges[i+1].at
		}
	}
	return low, high, most
}
