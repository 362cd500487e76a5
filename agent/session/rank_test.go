package session

import (
	"slices"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

// Each candidate differs from the one before it in one thing, and comes after it for that reason.
func TestRank(t *testing.T) {
	place := Place{Site: "north", Location: protocol.Location{"a", "2", "lobby"}}
	best := Candidate{Addr: "0", Source: Configured, Announced: protocol.Announced{Site: "north", Role: protocol.RoleMain, Location: protocol.Location{"a", "2"}}, RTT: time.Millisecond}
	steps := []struct {
		change func(*Candidate)
		why    string
	}{
		{func(c *Candidate) { c.RTT = 2 * time.Millisecond }, "slower to answer"},
		{func(c *Candidate) { c.Priority, c.RTT = 10, 0 }, "with priority 10"},
		{func(c *Candidate) { c.Location, c.Priority = protocol.Location{"a", "3", "lobby"}, 0 }, "at location a/3/lobby"},
		{func(c *Candidate) { c.Location = protocol.Location{"b", "2", "lobby"} }, "at location b/2/lobby"},
		{func(c *Candidate) { c.Role, c.Location = protocol.RoleBackup, place.Location }, "in the role backup"},
		{func(c *Candidate) { c.Position, c.Role = 1, protocol.RoleMain }, "configured after it"},
		{func(c *Candidate) { c.Source, c.Position = Found, 0 }, "found by a probe"},
		{func(c *Candidate) { c.Source, c.Site = Configured, "south" }, "of site south, not north"},
	}
	want, next := []Candidate{best}, best
	for i, step := range steps {
		step.change(&next)
		next.Addr = string(rune('1' + i))
		if why := Why(want[i], next, place); why != step.why {
			t.Errorf("%d: %q, want %q", i, why, step.why)
		}
		want = append(want, next)
	}
	got := make([]Candidate, 0, len(want))
	for i := range want {
		got = append(got, want[len(want)-1-i])
	}
	slices.SortStableFunc(got, func(a, b Candidate) int { return Compare(a, b, place) })
	for i := range want {
		if got[i].Addr != want[i].Addr {
			t.Errorf("place %d has %s, want %s", i, got[i].Addr, want[i].Addr)
		}
	}
	if why := Why(best, best, place); why != "no difference" {
		t.Error(why)
	}
}

// A viewer that belongs to no site yet has no reason to prefer one, and an address without more is no other site's.
func TestRankWithoutSite(t *testing.T) {
	south := Candidate{Announced: protocol.Announced{Site: "south"}}
	if why := Why(Candidate{}, south, Place{}); why != "no difference" {
		t.Error(why)
	}
	if why := Why(south, Candidate{}, Place{Site: "south"}); why != "no difference" {
		t.Error(why)
	}
}

// A session is moved for a person's wish, a role, a place or a priority; not for how an address became known, or how quick it is.
func TestBetter(t *testing.T) {
	main := protocol.Announced{Role: protocol.RoleMain}
	backup := protocol.Announced{Role: protocol.RoleBackup}
	for _, test := range []struct {
		name string
		a, b Candidate
		want bool
	}{
		{"main before backup", Candidate{Source: Found, Announced: main}, Candidate{Source: Named, Announced: backup}, true},
		{"backup before main", Candidate{Source: Named, Announced: backup}, Candidate{Source: Found, Announced: main}, false},
		{"configured before found", Candidate{Source: Configured}, Candidate{Source: Found, Announced: main}, true},
		{"first in the settings", Candidate{Source: Configured}, Candidate{Source: Configured, Position: 1}, true},
		{"named, not found", Candidate{Source: Named, Announced: main}, Candidate{Source: Found, Announced: main}, false},
		{"quicker", Candidate{Source: Found, RTT: 1}, Candidate{Source: Found, RTT: 2}, false},
	} {
		if got := better(test.a, test.b, Place{}); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
