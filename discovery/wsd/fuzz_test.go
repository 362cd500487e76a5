package wsd

import (
	"strings"
	"testing"
)

// What was read once can be written, and is then read as the same.
func FuzzParse(f *testing.F) {
	for _, name := range goldenNames(f) {
		f.Add(readGolden(f, name))
	}
	f.Add([]byte("<:/>"))
	for _, v := range []Version{Version11, Version2005} {
		for _, m := range samples(v) {
			data, err := m.Marshal()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil || !writable(m) {
			return
		}
		checkRoundTrip(t, m)
	})
}

// Whatever Marshal takes is read as it was given, whoever chose the names and addresses.
func FuzzMarshal(f *testing.F) {
	f.Add("urn:uuid:1", "urn:uuid:2", "urn:x", "T", "http://a/<&>'\"", "\u00fc", uint32(7))
	f.Add("{1}", "http://Host/", devprof, "Device", "]]>", "urn:\U0001f600", uint32(0))
	f.Fuzz(func(t *testing.T, id, epr, space, local, scope, xaddr string, number uint32) {
		e := Endpoint{EPR: epr, Types: []Name{{space, local}, {epr, local}}, Scopes: []string{scope, id}, XAddrs: []string{xaddr}, MetadataVersion: number}
		sequence := &Sequence{number, xaddr, number}
		for v := Version11; v <= Version2005; v++ {
			for _, m := range []*Message{
				{v, Probe, id, "", nil, Query{e.Types, e.Scopes, Rule(number % uint32(RuleUnknown))}, nil},
				{v, Resolve, id, "", nil, Query{}, []Endpoint{{EPR: epr}}},
				{v, Hello, id, "", sequence, Query{}, []Endpoint{e}},
				{v, Bye, id, "", sequence, Query{}, []Endpoint{e}},
				{v, ProbeMatches, id, epr, sequence, Query{}, []Endpoint{e, {EPR: xaddr}}},
				{v, ResolveMatches, id, epr, sequence, Query{}, []Endpoint{e}},
			} {
				if _, err := m.Marshal(); err == nil {
					checkRoundTrip(t, m)
				}
			}
		}
	})
}

// writable tells whether a message that was read can be written: not with an unknown rule, with names that have no
// namespace, or where our spelling is longer than what was read, over the limit.
func writable(m *Message) bool {
	_, err := m.Marshal()
	return err == nil || m.Query.MatchBy != RuleUnknown && !hasBareName(m) && !strings.Contains(err.Error(), "bytes, more than")
}

func hasBareName(m *Message) bool {
	lists := [][]Name{m.Query.Types}
	for _, e := range m.Endpoints {
		lists = append(lists, e.Types)
	}
	for _, list := range lists {
		for _, n := range list {
			if n.Space == "" {
				return true
			}
		}
	}
	return false
}

// matches compares one scope asked for with one of a target's.
func matches(r Rule, asked, scope string) bool {
	return Query{Scopes: []string{asked}, MatchBy: r}.Matches(Version11, Endpoint{Scopes: []string{scope}})
}

// No input may stop the matcher. Every rule but "none" is reflexive on what it accepts, since what matches something
// matches itself, and whatever lies below a match matches too.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{"http://a/b%2F/..;x?y#z", "ldap://h/cn=a\\,b+o=c,dc=d", "urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01", "%", ":"} {
		f.Add(s, s)
	}
	for _, name := range goldenNames(f) {
		if m, err := Parse(readGolden(f, name)); err == nil {
			for _, e := range m.Endpoints {
				for i, s := range e.Scopes {
					f.Add(e.Scopes[0], e.Scopes[i])
					f.Add(s, s)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, asked, scope string) {
		for r := RuleDefault; r <= RuleExact; r++ {
			if !matches(r, asked, scope) {
				continue
			}
			if !matches(r, asked, asked) || !matches(r, scope, scope) {
				t.Errorf("rule %d: %q matches %q, but one of them not itself", r, asked, scope)
			}
			if below := scope + "/x"; r == RulePrefix && !strings.ContainsAny(scope, "?#") && !strings.HasSuffix(scope, "/") && !matches(r, asked, below) {
				t.Errorf("rule %d: %q matches %q, but not %q", r, asked, scope, below)
			}
		}
	})
}
