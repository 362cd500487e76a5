package wsd

import "testing"

func TestRules(t *testing.T) {
	const id = "4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01"
	tests := []struct {
		rule         Rule
		asked, scope string
		want         bool
	}{
		{RulePrefix, "http://example.com/abc", "HTTP://EXAMPLE.com/abc/def?x", true},
		{RulePrefix, "http://example.com/abc", "http://example.com/abc", true},
		{RulePrefix, "http://example.com/a", "http://example.com/abc", false},
		{RulePrefix, "http://example.com/abc/def", "http://example.com/abc", false},
		{RulePrefix, "http://example.com/ABC", "http://example.com/abc", false},
		{RulePrefix, "http://example.com/a%2Fb", "http://example.com/a/b", false},
		{RulePrefix, "http://example.com/a%2Fb", "http://example.com/a%2fb/c", true},
		{RulePrefix, "http://example.com/%61", "http://example.com/a", true},
		{RulePrefix, "http://example.com/a/../b", "http://example.com/a/../b", false},
		{RulePrefix, "http://example.com/b", "http://example.com/b/./c", false},
		{RulePrefix, "http://example.com/%2e%2e/b", "http://example.com/%2e%2e/b", false},
		{RulePrefix, "http://example.com/a/", "http://example.com/a", true},
		{RulePrefix, "http://example.com/a", "http://example.com/a/", true},
		{RulePrefix, "http://example.com", "http://example.com/a/b", true},
		{RulePrefix, "http://example.com/", "http://example.com", true},
		{RulePrefix, "http://example.com/a;p=1/b", "http://example.com/a/b;q", true},
		{RulePrefix, "http://example.com/a?x=1", "http://example.com/a/b?y#z", true},
		{RulePrefix, "http://example.com:80/a", "http://example.com/a", false},
		{RulePrefix, "https://example.com/a", "http://example.com/a", false},
		{RulePrefix, "http://example.com/a%", "http://example.com/a%", false},
		{RulePrefix, "http://example.com/%zz", "http://example.com/%zz", false},
		{RulePrefix, "urn:x:y", "URN:x:y", true},
		{RulePrefix, "urn:x", "urn:x:y", false},
		{RulePrefix, "urn:x/y", "urn:x/y/z", true},
		{RulePrefix, "urn:x/y", "urn:x/yz", false},
		{RulePrefix, "urn:x%2Fy", "urn:x/y", false},
		{RulePrefix, "urn:/x", "urn:x", false},
		{RulePrefix, "urn:example.com", "urn://example.com", false},
		{RulePrefix, "urn:", "urn:x", true},
		{RulePrefix, "http://example.com/a//b", "http://example.com/a/b", false},
		{RulePrefix, "http://example.com/1:a", "http://example.com/1/a", false},
		{RulePrefix, "abc", "abc", false},
		{RulePrefix, "", "http://example.com/", false},
		{RuleDefault, "vitrine://site/location/a", "vitrine://site/location/a/b/c", true},
		{RuleDefault, "vitrine://site/role/main", "vitrine://other/role/main", false},

		{RuleUUID, "uuid:" + id, "urn:uuid:4C0A8F6E-0c7a-4a43-9c0e-2f6f7d1b1a01", true},
		{RuleUUID, "uuid:" + id, "uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a02", false},
		{RuleUUID, "uuid:4c0a8f6e", "uuid:4c0a8f6e", false},
		{RuleUUID, "http://a/", "http://a/", false},
		{RuleUUID, id, id, false},
		{RuleUUID, "uuid:{" + id + "}", "uuid:" + id, true},
		{RuleUUID, "urn:uuid:short", "urn:uuid:short", false},

		{RuleLDAP, "ldap:///ou=e,o=x", "ldap:///cn=p,ou=e,o=x", true},
		{RuleLDAP, "ldap:///ou=e,o=x", "ldap:///OU=e, O=x", true},
		{RuleLDAP, "ldap:///cn=p,ou=e,o=x", "ldap:///ou=e,o=x", false},
		{RuleLDAP, "ldap:///ou=e", "ldap:///ou=e,o=x", false},
		{RuleLDAP, "ldap://h:389/o=x", "LDAP://H:389/ou=e,o=x", true},
		{RuleLDAP, "ldap://h:389/o=x", "ldap://h/o=x", false},
		{RuleLDAP, "ldap:///o=x", `ldap:///ou=a\,b,o=x`, true},
		{RuleLDAP, "ldap:///b,o=x", `ldap:///ou=a\,b,o=x`, false},
		{RuleLDAP, `ldap:///ou=a\2Cb,o=x`, `ldap:///ou=a%5C,b,o=x`, true},
		{RuleLDAP, "ldap:///a=1+b=2,o=x", "ldap:///b=2+a=1,o=x", true},
		{RuleLDAP, "ldap:///a=1+b=2", `ldap:///a=1\+b=2`, false},
		{RuleLDAP, "ldap:///a=1+b=2", "ldap:///b=2,a=1", false},
		{RuleLDAP, "ldap:///a=1", "ldap:///a=1+b=2", false},
		{RuleLDAP, "ldap://h", "ldap://h/o=x", true},
		{RuleLDAP, "ldap:///o=x", "ldap:///o=X", false},
		{RuleLDAP, "ldap:///", "ldap:///o=x", true},
		{RuleLDAP, "ldap:///nothing", "ldap:///nothing", false},
		{RuleLDAP, "http:///o=x", "http:///o=x", false},

		{RuleExact, "http://a/b", "http://a/b", true},
		{RuleExact, "http://a/b", "http://a/B", false},
		{RuleExact, "http://a/b", "http://a/b/", false},
		{RuleExact, "any text", "any text", true},
		{RuleExact, "http://a", "http://a/b", false},

		{RuleUnknown, "http://a", "http://a", false},
	}
	for _, test := range tests {
		q := Query{Scopes: []string{test.asked}, MatchBy: test.rule}
		e := Endpoint{Scopes: []string{"urn:another", test.scope}}
		if got := q.Matches(Version11, e); got != test.want {
			t.Errorf("rule %d: %q against %q: %v, want %v", test.rule, test.asked, test.scope, got, test.want)
		}
	}
}

func TestMatches(t *testing.T) {
	a, b := Name{"urn:1", "A"}, Name{"urn:1", "B"}
	target := Endpoint{Types: []Name{a, b}, Scopes: []string{"http://x/y", "http://z"}}
	bare := Endpoint{Types: []Name{a}}
	tests := map[string]struct {
		query  Query
		target Endpoint
		want   bool
	}{
		"everything":          {Query{}, target, true},
		"both types":          {Query{Types: []Name{b, a}}, target, true},
		"one type missing":    {Query{Types: []Name{a, b}}, bare, false},
		"other case":          {Query{Types: []Name{{"urn:1", "a"}}}, target, false},
		"other namespace":     {Query{Types: []Name{{"urn:2", "A"}}}, target, false},
		"both scopes":         {Query{Scopes: []string{"http://z", "http://x"}}, target, true},
		"one scope missing":   {Query{Scopes: []string{"http://z", "http://q"}}, target, false},
		"scope and no type":   {Query{Types: []Name{{"urn:1", "C"}}, Scopes: []string{"http://z"}}, target, false},
		"none, with scopes":   {Query{MatchBy: RuleNone}, target, false},
		"none, without":       {Query{MatchBy: RuleNone}, bare, true},
		"none, asked for one": {Query{MatchBy: RuleNone, Scopes: []string{"http://z"}}, bare, false},
		"unknown rule":        {Query{MatchBy: RuleUnknown}, bare, false},
		"implied scope":       {Query{Scopes: []string{vocabularies[Version11].implied}}, bare, true},
		"implied, has others": {Query{Scopes: []string{vocabularies[Version11].implied}}, target, false},
		"implied of another":  {Query{Scopes: []string{vocabularies[Version2005].implied}}, bare, false},
	}
	for name, test := range tests {
		if got := test.query.Matches(Version11, test.target); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestFindRule(t *testing.T) {
	old, new := vocabularies[Version2005].discovery, vocabularies[Version11].discovery
	for uri, want := range map[string]Rule{
		"": RuleDefault, new + "/rfc3986": RulePrefix, old + "/rfc2396": RulePrefix, new + "/uuid": RuleUUID, old + "/uuid": RuleUUID,
		old + "/ldap": RuleLDAP, new + "/strcmp0": RuleExact, new + "/none": RuleNone, old + "/none": RuleNone,
		"uuid": RuleUnknown, new + "/": RuleUnknown, new + "/rfc2396": RuleUnknown, new + "/UUID": RuleUnknown, " ": RuleUnknown,
	} {
		if got := findRule(uri); got != want {
			t.Errorf("findRule(%q) = %d, want %d", uri, got, want)
		}
	}
}
