package wsd

import (
	"slices"
	"strings"
)

// A Rule says how the scopes of a Query are compared with a target's (section 5.1).
type Rule uint8

const (
	// RuleDefault leaves the rule out of the message, which means RulePrefix in both versions (section 5.1, as all below).
	RuleDefault Rule = iota
	// RulePrefix compares URIs part by part: scheme and authority without regard to case, and the segments of the path
	// must begin with those asked for. It is called rfc3986 in 1.1 and rfc2396 in 2005, and named by these RFCs.
	RulePrefix
	// RuleUUID compares UUIDs by their 128 bits.
	RuleUUID
	// RuleLDAP compares ldap URLs: the entry named must be the one asked for, or below it.
	RuleLDAP
	// RuleExact compares strings byte by byte (strcmp0).
	RuleExact
	// RuleNone matches only targets without any scope. It is new in 1.1.
	RuleNone
	// RuleUnknown stands for all others. It matches nothing, and can't be sent.
	RuleUnknown
)

var rules = [...]string{RuleUUID: "uuid", RuleLDAP: "ldap", RuleExact: "strcmp0", RuleNone: "none"}

// findRule reads a MatchBy attribute. A name of either version is taken in both.
func findRule(uri string) Rule {
	if uri == "" {
		return RuleDefault
	}
	for v := Version11; v <= Version2005; v++ {
		stem := vocabularies[v].discovery + "/"
		if uri == stem+vocabularies[v].prefixRule {
			return RulePrefix
		}
		for r := RuleUUID; r <= RuleNone; r++ {
			if uri == stem+rules[r] {
				return r
			}
		}
	}
	return RuleUnknown
}

// Matches tells whether a target is what the query asks for: all types and all scopes must match (section 5.1). The
// version counts for targets without scopes, which have one that is implied. It is for answers as well as for Probes: many
// devices answer everything, so that whoever asked must look again.
func (q Query) Matches(v Version, e Endpoint) bool {
	for _, t := range q.Types {
		if !slices.Contains(e.Types, t) {
			return false
		}
	}
	switch q.MatchBy {
	case RuleUnknown:
		return false
	case RuleNone:
		return len(q.Scopes) == 0 && len(e.Scopes) == 0
	}
	return len(q.Scopes) == 0 || q.scopesMatch(v, e)
}

// scopesMatch looks for each scope asked for among the target's. Its work is bounded by the lengths of the two lists of text
// and one comparison for each pair of scopes.
func (q Query) scopesMatch(v Version, e Endpoint) bool {
	scopes := e.Scopes
	if len(scopes) == 0 && v.valid() {
		scopes = []string{vocabularies[v].implied}
	}
	keys := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if k, ok := q.MatchBy.key(s); ok {
			keys = append(keys, k)
		}
	}
	for _, asked := range q.Scopes {
		k, ok := q.MatchBy.key(asked)
		if !ok || !slices.ContainsFunc(keys, func(s string) bool { return strings.HasPrefix(s, k) }) {
			return false
		}
	}
	return true
}
