package wsd

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// padded repeats a piece in the middle of a document until it has the largest size that is read.
func padded(before, piece, after string) []byte {
	n := (MaxSize - len(before) - len(after)) / len(piece)
	return []byte(before + rep(piece, n) + after)
}

// hostileDatagrams are of the largest size and built to cost as much as they can. Some are refused at their end, some are
// messages.
func hostileDatagrams(t testing.TB) map[string][]byte {
	answer := edit(t, "<wsd:Types>wsdp:Device pub:Computer</wsd:Types>", "")
	before, after, _ := strings.Cut(answer, "</wsd:ProbeMatch>")
	inMatch := func(name, piece string) []byte {
		return padded(before+"<"+name+">", piece, "</"+name+"></wsd:ProbeMatch>"+after)
	}
	listed := func(name, word string) []byte {
		return padded(before+"<"+name+">"+rep(word, maxText/len(word))+"</"+name+"></wsd:ProbeMatch>"+after, " ", "")
	}
	var attributes, spaces strings.Builder
	for i := range maxAttributes {
		fmt.Fprintf(&attributes, ` a%d=""`, i)
	}
	for i := range maxDeclarations {
		fmt.Fprintf(&spaces, ` xmlns:a%d="u"`, i)
	}
	return map[string][]byte{
		"deep":       padded("", "<a>", ""),
		"nested":     padded("<a>", rep("<a>", 31)+rep("</a>", 31), "</a>"),
		"siblings":   inMatch("x", "<b/>"),
		"attributes": padded("<a ", `b="" `, "/>"),
		"attributed": padded("<a>", "<a"+attributes.String()+"/>", "</a>"),
		"namespaces": padded("<a"+spaces.String()+">", "<a0:b/>", "</a>"),
		"redeclared": inMatch("x", `<b xmlns="u"/>`),
		"comments":   inMatch("x", "<!---->x"),
		"sections":   inMatch("x", "<![CDATA[x]]>"),
		"escapes":    inMatch("x", "&amp;"),
		"text":       inMatch("x", "x"),
		"types":      listed("wsd:Types", "wsdp:D "),
		"addresses":  listed("wsd:XAddrs", "u "),
		"matches":    inMatch("x", "</x></wsd:ProbeMatch><wsd:ProbeMatch><wsa:EndpointReference><wsa:Address>u:a</wsa:Address></wsa:EndpointReference><x>"),
	}
}

// A match is a query and the target that is compared with it.
type match struct {
	query  Query
	target Endpoint
}

// hostileMatches are the largest lists of scopes that are read, each scope as costly as its rule allows, where all are found
// but none early.
func hostileMatches() map[string]match {
	list := make(map[string]match)
	for name, test := range map[string]struct {
		rule         Rule
		format, fill string
	}{
		"percent":  {RulePrefix, "a:/%02x", "%25"},
		"segments": {RulePrefix, "a:/%02x", "/a"},
		"common":   {RulePrefix, "a:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/%02x", ""},
		"ldap":     {RuleLDAP, "ldap:///a=%02x", ",a="},
		"ldap-set": {RuleLDAP, "ldap:///a=%02x", "+a="},
		"uuid":     {RuleUUID, "urn:uuid:4C0A8F6E-0C7A-4A43-9C0E-2F6F7D1B1A%02x", ""},
		"exact":    {RuleExact, "%02x", "a"},
	} {
		var scopes []string
		for i := range maxScopes {
			s := fmt.Sprintf(test.format, i)
			if test.fill != "" {
				s += rep(test.fill, (maxText/maxScopes-1-len(s))/len(test.fill))
			}
			scopes = append(scopes, s)
		}
		list[name] = match{Query{Scopes: scopes, MatchBy: test.rule}, Endpoint{Scopes: scopes}}
	}
	return list
}

// cost is what one call of f allocates.
func cost(f func()) (allocations, bytes uint64) {
	const runs = 5
	var before, after runtime.MemStats
	f() // so that what is set up once doesn't count
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
}

// No datagram may cost more than a multiple of its size. Allocations stand for work, as time can't be asserted; the
// benchmarks have it.
func TestCostIsBounded(t *testing.T) {
	const (
		mostAllocations = MaxSize
		mostBytes       = 32 * MaxSize
	)
	check := func(what string, f func()) {
		allocations, bytes := cost(f)
		if allocations > mostAllocations || bytes > mostBytes {
			t.Errorf("%s: %d allocations of %d bytes, more than %d or %d", what, allocations, bytes, mostAllocations, mostBytes)
		}
		t.Logf("%-20s %5d allocations %7d bytes", what, allocations, bytes)
	}
	for name, data := range hostileDatagrams(t) {
		if len(data) > MaxSize || len(data) < MaxSize*7/8 {
			t.Errorf("%s has %d bytes", name, len(data))
		}
		check("parse "+name, func() { Parse(data) })
	}
	for name, m := range hostileMatches() {
		if !m.query.Matches(Version11, m.target) || m.query.check() != nil || m.query.MatchBy == RuleNone {
			t.Errorf("%s isn't a match", name)
		}
		check("match "+name, func() { m.query.Matches(Version11, m.target) })
	}
}
