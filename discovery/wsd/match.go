package wsd

import "slices"

// A Rule says how the scopes of a Query are compared with a target's (section 5.1).
type Rule uint8

const (
	// RuleDefault leaves the rule out of the message, which means RulePrefix in both versions.
	RuleDefault Rule = iota
	// RulePrefix compares URIs part by part: scheme and authority without regard to case, and the segments of the path
	// must begin with those asked for. It is called rfc3986 in 1.1 and rfc2396 in 2005.
	RulePrefix
	// RuleUUID compares UUIDs by their 128 bits.
	RuleUUID
	// RuleLDAP compares ldap URLs: the entry named must be the one asked for, or below it.
	RuleLDAP
	// RuleExact compares strings byte by byte (strcmp0).
	RuleExact
	// RuleNone matches only targets without any scope.
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
	scopes := e.Scopes
	if len(scopes) == 0 && v.valid() {
		scopes = []string{vocabularies[v].implied}
	}
	for _, asked := range q.Scopes {
		if !slices.ContainsFunc(scopes, func(s string) bool { return q.MatchBy.matches(asked, s) }) {
			return false
		}
	}
	return true
}

// matches compares one scope of a query with one of a target.
func (r Rule) matches(asked, scope string) bool {
	switch r {
	case RuleDefault, RulePrefix:
		return matchPrefix(asked, scope)
	case RuleUUID:
		return matchUUID(asked, scope)
	case RuleLDAP:
		return matchLDAP(asked, scope)
	case RuleExact:
		return asked == scope
	}
	return false
}
