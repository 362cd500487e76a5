package wsd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

func rep(s string, n int) string { return strings.Repeat(s, n) }

// goldenAnswer is a plain answer, to be spoilt.
func goldenAnswer(t testing.TB) string { return string(readGolden(t, "wsdd-probematches")) }

// edit changes one place of the golden answer; a place that isn't there is a mistake in the test.
func edit(t testing.TB, old, new string) string {
	t.Helper()
	answer := goldenAnswer(t)
	if strings.Count(answer, old) == 0 {
		t.Fatalf("%q is not in the sample", old)
	}
	return strings.Replace(answer, old, new, 1)
}

func utf16LE(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

// Every one of these is refused, and none may cost more than its size.
func TestParseRefuses(t *testing.T) {
	answer := goldenAnswer(t)
	random := make([]byte, 65507)
	source := rand.NewChaCha8([32]byte{})
	source.Read(random)
	const (
		id    = `<wsa:MessageID>urn:uuid:eb1e2722-e781-11f1-821b-a63801cc7e32</wsa:MessageID>`
		rel   = `<wsa:RelatesTo>urn:uuid:19d65ff6-4673-4b3f-8d95-63a59d02c813</wsa:RelatesTo>`
		types = `<wsd:Types>wsdp:Device pub:Computer</wsd:Types>`
		act   = `<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsa:Action>`
		epr   = `<wsa:EndpointReference><wsa:Address>urn:uuid:e5e61fb5-d685-5b50-9ba7-acb6e6962ef3</wsa:Address></wsa:EndpointReference>`
		head  = `</soap:Header>`
		end   = `</wsd:ProbeMatch>`
	)
	deep := func(n int) string { return edit(t, end, rep("<x>", n)+rep("</x>", n)+end) }
	var attrs, spaces strings.Builder
	for i := range maxAttributes + 1 {
		fmt.Fprintf(&attrs, ` a%d=""`, i)
	}
	for range maxDeclarations + 1 {
		fmt.Fprintf(&spaces, `<x xmlns:a="u"/>`)
	}
	tests := map[string]string{
		"empty":                        "",
		"one byte":                     "<",
		"reflection payload":           "<:/>",
		"text only":                    "hello",
		"random":                       string(random),
		"random, of allowed size":      string(random[:MaxSize]),
		"zeros":                        rep("\x00", MaxSize),
		"ones":                         rep("\xff", MaxSize),
		"one over the limit":           edit(t, end, end+rep(" ", MaxSize+1-len(answer))),
		"nested entities":              `<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>` + answer,
		"external DTD":                 `<!DOCTYPE a SYSTEM "http://example.com/a.dtd">` + answer,
		"parameter entity":             `<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///etc/passwd"> %b;]>` + answer,
		"entity in text":               edit(t, id, `<wsa:MessageID>urn:&x;</wsa:MessageID>`),
		"depth":                        deep(29),
		"great depth":                  rep("<a>", 2700),
		"many elements":                edit(t, end, rep("<x/>", 512)+end),
		"many attributes":              edit(t, `<wsd:ProbeMatch>`, `<wsd:ProbeMatch`+attrs.String()+`>`),
		"many namespaces":              edit(t, end, spaces.String()+end),
		"two MessageIDs":               edit(t, id, id+id),
		"two RelatesTo":                edit(t, rel, rel+rel),
		"two actions":                  edit(t, act, act+act),
		"actions of both versions":     edit(t, act, act+`<Action xmlns="http://www.w3.org/2005/08/addressing">http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/ProbeMatches</Action>`),
		"two endpoint references":      edit(t, epr, epr+epr),
		"two addresses":                edit(t, `</wsa:Address>`, `</wsa:Address><wsa:Address>urn:b</wsa:Address>`),
		"two lists of types":           edit(t, types, types+types),
		"two attributes of one name":   edit(t, `MessageNumber="1"`, `MessageNumber="1" MessageNumber="1"`),
		"two prefixes of one name":     edit(t, ` xmlns:wsa=`, ` xmlns:wsa="urn:x" xmlns:wsa=`),
		"two default namespaces":       edit(t, `<wsd:ProbeMatch>`, `<wsd:ProbeMatch xmlns="urn:x" xmlns="urn:y">`),
		"two attributes, two prefixes": edit(t, `<wsd:ProbeMatch>`, `<wsd:ProbeMatch xmlns:a="urn:x" xmlns:b="urn:x" a:x="" b:x="">`),
		"two headers":                  edit(t, head, head+`<soap:Header/>`),
		"two bodies":                   edit(t, `</soap:Body>`, `</soap:Body><soap:Body/>`),
		"two elements in the body":     edit(t, `</wsd:ProbeMatches>`, `</wsd:ProbeMatches><wsd:ProbeMatches/>`),
		"undeclared prefix of wsa":     edit(t, `xmlns:wsa=`, `xmlns:wsx=`),
		"prefix bound to nothing":      edit(t, ` xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"`, ` xmlns:wsa=""`),
		"body of another namespace":    edit(t, `<wsd:ProbeMatches>`, `<wsd:ProbeMatches xmlns:wsd="urn:x">`),
		"body of another name":         strings.ReplaceAll(answer, `wsd:ProbeMatches>`, `wsd:ResolveMatches>`),
		"action of another namespace":  edit(t, `ws/2005/04/discovery/ProbeMatches</wsa`, `ws/2005/05/discovery/ProbeMatches</wsa`),
		"addressing of 1.1":            edit(t, `http://schemas.xmlsoap.org/ws/2004/08/addressing`, `http://www.w3.org/2005/08/addressing`),
		"fault":                        edit(t, `discovery/ProbeMatches</wsa`, `discovery/fault</wsa`),
		"not an envelope":              strings.ReplaceAll(answer, "soap:Envelope", "soap:Envelop"),
		"second envelope":              answer + answer,
		"trailing NUL":                 answer + "\x00",
		"trailing garbage":             answer + "x",
		"processing instruction":       edit(t, id, `<wsa:MessageID>urn:<?php x?>1</wsa:MessageID>`),
		"invalid UTF-8":                edit(t, "urn:uuid:eb1e", "urn:uuid:\xc3\x28"),
		"NUL reference":                edit(t, "urn:uuid:eb1e", "urn:uuid:&#0;"),
		"UTF-16":                       utf16LE(answer),
		"Latin-1":                      edit(t, `encoding="utf-8"`, `encoding="iso-8859-1"`),
		"XML 1.1":                      edit(t, `version="1.0"`, `version="1.1"`),
		"huge MessageID":               edit(t, id, `<wsa:MessageID>urn:`+rep("a", maxURI)+`</wsa:MessageID>`),
		"huge EPR":                     edit(t, epr, `<wsa:EndpointReference><wsa:Address>urn:`+rep("a", maxURI)+`</wsa:Address></wsa:EndpointReference>`),
		"huge text":                    edit(t, epr, epr+`<x>`+rep("a", maxText+1)+`</x>`),
		"many addresses":               edit(t, end, `<wsd:XAddrs>`+rep("u:a ", maxXAddrs+1)+`</wsd:XAddrs>`+end),
		"many types":                   edit(t, types, `<wsd:Types>`+rep("wsd:a ", maxTypes+1)+`</wsd:Types>`),
		"many scopes":                  edit(t, end, `<wsd:Scopes>`+rep("u:a ", maxScopes+1)+`</wsd:Scopes>`+end),
		"many matches":                 edit(t, end, end+rep("<wsd:ProbeMatch>"+epr+end, maxMatches)),
		"no RelatesTo":                 edit(t, rel, ""),
		"no EPR":                       edit(t, epr, ""),
		"control in SequenceId":        edit(t, `SequenceId="urn:uuid:`, `SequenceId="urn:&#x85;`),
		"instruction in XAddrs":        edit(t, end, `<wsd:XAddrs>u:<?x y?>a</wsd:XAddrs>`+end),
		"header to be understood":      edit(t, head, `<x:Security xmlns:x="urn:x" soap:mustUnderstand="true"/>`+head),
		"MetadataVersion too large":    edit(t, `Version>1<`, `Version>4294967296<`),
		"MetadataVersion negative":     edit(t, `Version>1<`, `Version>-1<`),
		"MetadataVersion of text":      edit(t, `Version>1<`, `Version>one<`),
		"control sequence in EPR":      edit(t, "uuid:e5e6", "uuid:\u009b31me5e6"),
		"right-to-left mark in EPR":    edit(t, "uuid:e5e6", "uuid:\u202ee5e6"),
		"control in a scope":           edit(t, end, `<wsd:Scopes>u:a&#x85;b</wsd:Scopes>`+end),
		"zero width in a type":         edit(t, types, "<wsd:Types>wsd:a\u200bb</wsd:Types>"),
		"space of Unicode in address":  edit(t, end, "<wsd:XAddrs>http://a\u00a0b/</wsd:XAddrs>"+end),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			if m, err := Parse([]byte(data)); err == nil {
				t.Errorf("read as %+v", m)
			}
		})
	}
}

// A Probe or Resolve that would make us answer somebody else, or more than was asked, is refused.
func TestParseRefusesRequests(t *testing.T) {
	tests := map[string][2]string{
		"no MessageID":      {`<a:MessageID>urn:uuid:9af1a1f4-5f0e-4d4a-8b39-0f6e33a6ae03</a:MessageID>`, ``},
		"To of the other":   {`>urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01<`, `>urn:schemas-xmlsoap-org:ws:2005:04:discovery<`},
		"ReplyTo elsewhere": {`<a:Address>http://www.w3.org/2005/08/addressing/anonymous<`, `<a:Address>http://victim/<`},
		"ReplyTo nowhere":   {`<a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address>`, ``},
		"undeclared prefix": {`>dp0:ISign<`, `>dp1:ISign<`},
		"two MatchBy":       {`<Scopes MatchBy="`, `<Scopes MatchBy="" MatchBy="`},
	}
	probe := string(readGolden(t, "wcf-11-probe"))
	for name, change := range tests {
		if strings.Count(probe, change[0]) != 1 {
			t.Fatalf("%s: %q is not in the sample", name, change[0])
		}
		if m, err := Parse([]byte(strings.Replace(probe, change[0], change[1], 1))); err == nil {
			t.Errorf("%s: read as %+v", name, m)
		}
	}
}

func TestParseTruncated(t *testing.T) {
	answer := goldenAnswer(t)
	for i := range len(answer) {
		if _, err := Parse([]byte(answer[:i])); err == nil {
			t.Fatalf("the first %d bytes are taken for a message", i)
		}
	}
}

// What devices get wrong and still mean well.
func TestParseIsPatient(t *testing.T) {
	answer := goldenAnswer(t)
	const number = `InstanceId="1795468042"`
	tests := map[string]struct {
		data string
		ok   func(*Message) bool
	}{
		"one under the limit": {answer + rep(" ", MaxSize-1-len(answer)), func(*Message) bool { return true }},
		"at the limit":        {answer + rep(" ", MaxSize-len(answer)), func(*Message) bool { return true }},
		"line ends":           {strings.ReplaceAll(answer, "><", ">\r\n<") + "\r\n", func(m *Message) bool { return len(m.Endpoints) == 1 }},
		"comment and CDATA": {edit(t, "urn:uuid:eb1e", "urn:<!-- x -->uuid:<![CDATA[eb]]>1e"), func(m *Message) bool {
			return m.MessageID == "urn:uuid:eb1e2722-e781-11f1-821b-a63801cc7e32"
		}},
		"undeclared prefix of a type": {edit(t, "wsdp:Device pub", "no:Device pub"), func(m *Message) bool { return len(m.Endpoints[0].Types) == 1 }},
		"prefix declared anew": {edit(t, "<wsd:Types>", `<wsd:Types xmlns:pub="urn:other">`), func(m *Message) bool {
			return m.Endpoints[0].Types[1] == Name{"urn:other", "Computer"}
		}},
		"prefix of a sibling": {edit(t, "<wsd:Types>wsdp:Device", `<x xmlns:q="urn:q"/><wsd:Types>q:Device`), func(m *Message) bool {
			return len(m.Endpoints[0].Types) == 1
		}},
		"unprefixed type": {edit(t, "<wsd:Types>wsdp:Device", `<wsd:Types xmlns="urn:d">Device`), func(m *Message) bool {
			return m.Endpoints[0].Types[0] == Name{"urn:d", "Device"}
		}},
		"no MessageID":           {edit(t, "<wsa:MessageID>urn:uuid:eb1e2722-e781-11f1-821b-a63801cc7e32</wsa:MessageID>", ""), func(m *Message) bool { return m.MessageID == "" }},
		"milliseconds":           {edit(t, number, `InstanceId="1700000000000"`), func(m *Message) bool { return m.Sequence.InstanceID == 1<<32-1 }},
		"text for a number":      {edit(t, number, `InstanceId="0x10"`), func(m *Message) bool { return m.Sequence == nil }},
		"no MessageNumber":       {edit(t, ` MessageNumber="1"`, ``), func(m *Message) bool { return m.Sequence == nil }},
		"negative MessageNumber": {edit(t, `MessageNumber="1"`, `MessageNumber="-1"`), func(m *Message) bool { return m.Sequence == nil }},
		"answer with ReplyTo and FaultTo": {edit(t, "<wsa:To>", `<wsa:ReplyTo><wsa:Address>http://192.0.2.66/</wsa:Address></wsa:ReplyTo><wsa:FaultTo><wsa:Address>http://192.0.2.66/</wsa:Address></wsa:FaultTo><wsa:To>`),
			func(m *Message) bool { return len(m.Endpoints) == 1 }},
		"comment in XAddrs": {edit(t, "</wsd:Types>", "</wsd:Types><wsd:XAddrs>http://a/<!-- x --><![CDATA[b http://c]]></wsd:XAddrs>"), func(m *Message) bool {
			return slices.Equal(m.Endpoints[0].XAddrs, []string{"http://a/b", "http://c"})
		}},
		"greatest depth":     {edit(t, "</wsd:ProbeMatch>", rep("<x>", 28)+rep("</x>", 28)+"</wsd:ProbeMatch>"), func(m *Message) bool { return len(m.Endpoints) == 1 }},
		"most namespaces":    {edit(t, "</wsd:ProbeMatch>", rep(`<x xmlns:a="u"/>`, maxDeclarations-7)+"</wsd:ProbeMatch>"), func(m *Message) bool { return len(m.Endpoints) == 1 }},
		"enormous number":    {edit(t, number, `InstanceId="`+rep("9", 40)+`"`), func(m *Message) bool { return m.Sequence.InstanceID == 1<<32-1 }},
		"negative number":    {edit(t, number, `InstanceId="-1"`), func(m *Message) bool { return m.Sequence == nil }},
		"no number":          {edit(t, number, ``), func(m *Message) bool { return m.Sequence == nil }},
		"understood header":  {edit(t, "<wsa:To>", `<wsa:To soap:mustUnderstand="1">`), func(*Message) bool { return true }},
		"foreign child":      {edit(t, "<wsd:Types>", `<Types xmlns="urn:x">a b</Types><wsd:Types>`), func(m *Message) bool { return len(m.Endpoints[0].Types) == 2 }},
		"empty lists":        {edit(t, "<wsd:MetadataVersion>", `<wsd:Scopes/><wsd:XAddrs> </wsd:XAddrs><wsd:MetadataVersion>`), func(m *Message) bool { return m.Endpoints[0].Scopes == nil }},
		"no MetadataVersion": {edit(t, "<wsd:MetadataVersion>1</wsd:MetadataVersion>", ""), func(m *Message) bool { return m.Endpoints[0].MetadataVersion == 0 }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := Parse([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if !test.ok(m) {
				t.Errorf("read as %+v", m)
			}
		})
	}
}
