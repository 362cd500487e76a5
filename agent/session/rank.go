package session

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"vitrine/agent/protocol"
)

// A Source is how a server is known. The sooner in this list, the sooner it is tried.
type Source uint8

const (
	// Configured servers stand in the viewer's settings.
	Configured Source = iota
	// Named servers are those that the site told.
	Named
	// Found servers answered a probe.
	Found
)

var sourceNames = [...]string{"configured", "named by the site", "found by a probe"}

// A Candidate is a server that the viewer may connect to, with what is known of it.
type Candidate struct {
	// Addr is the "host:port" of its session port.
	Addr   string
	Source Source
	// Position is the place of a configured server in the settings, from 0: the order there is a person's wish.
	Position int
	// Announced is what it says of itself; all zero for an address that is only configured.
	protocol.Announced
	// RTT is how long it took to answer a probe; 0 if it wasn't probed.
	RTT time.Duration
}

// A Place is where the viewer is: what candidates are compared with.
type Place struct {
	// Site is empty before the viewer is enrolled: then all sites are alike.
	Site     string
	Location protocol.Location
}

// A criterion is one reason to prefer a candidate.
type criterion struct {
	// score is lower for better ones.
	score func(Candidate, Place) int64
	// say puts a score in words.
	say func(Candidate, Place) string
}

// criteria are those that rank servers, the first that tells two apart decides. Roles come before locations: a backup is
// for the case that no main server can be had, however near it is.
var criteria = [...]criterion{
	{
		func(c Candidate, p Place) int64 { return number(p.Site != "" && c.Site != "" && c.Site != p.Site) },
		func(c Candidate, p Place) string { return fmt.Sprintf("of site %s, not %s", c.Site, p.Site) },
	},
	{
		func(c Candidate, _ Place) int64 { return int64(c.Source) },
		func(c Candidate, _ Place) string { return sourceNames[c.Source] },
	},
	{
		func(c Candidate, _ Place) int64 { return int64(c.Position) },
		func(c Candidate, _ Place) string { return "configured after it" },
	},
	{
		func(c Candidate, _ Place) int64 { return number(c.Role == protocol.RoleBackup) },
		func(c Candidate, _ Place) string { return "in the role " + orUnknown(c.Role) },
	},
	{
		func(c Candidate, p Place) int64 { return -int64(c.Location.Shared(p.Location)) },
		func(c Candidate, p Place) string { return "at location " + orUnknown(c.Location.String()) },
	},
	{
		func(c Candidate, _ Place) int64 { return int64(c.Priority) },
		func(c Candidate, _ Place) string { return "with priority " + strconv.Itoa(c.Priority) },
	},
	{
		func(c Candidate, _ Place) int64 { return int64(c.RTT) },
		func(c Candidate, _ Place) string { return "slower to answer" },
	},
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// decide gives the criterion that tells two candidates apart, or -1, and which is better.
func decide(a, b Candidate, p Place) (deciding, order int) {
	for i, c := range criteria {
		if order := cmp.Compare(c.score(a, p), c.score(b, p)); order != 0 {
			return i, order
		}
	}
	return -1, 0
}

// Compare is negative if a viewer at that place wants a before b, positive the other way round, and 0 if it doesn't care.
func Compare(a, b Candidate, p Place) int {
	_, order := decide(a, b, p)
	return order
}

// better tells whether a viewer that has a session with b should go over to a when that is possible. How an address became known
// is no reason to move, unless a person wrote it into the settings, and neither is the time to answer.
func better(a, b Candidate, p Place) bool {
	for _, c := range []*Candidate{&a, &b} {
		c.RTT = 0
		if c.Source == Found {
			c.Source = Named
		}
	}
	return Compare(a, b, p) < 0
}

// Why says in a few words why candidate b comes after candidate a.
func Why(a, b Candidate, p Place) string {
	deciding, _ := decide(a, b, p)
	if deciding < 0 {
		return "no difference"
	}
	return criteria[deciding].say(b, p)
}
