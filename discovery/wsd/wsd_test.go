package wsd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var vitrineServer = Name{"urn:vitrine:discovery:1", "Server"}

// samples are all six messages of a version, every field in use.
func samples(v Version) []*Message {
	full := Endpoint{
		EPR:             "urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01",
		Types:           []Name{vitrineServer, {devprof, "Device"}},
		Scopes:          []string{"vitrine://site/role/main", "urn:x?<&\">'"},
		XAddrs:          []string{"mqtts://[fe80::1%25eth0]:7237", "https://10.0.0.1:7237"},
		MetadataVersion: 1<<32 - 1,
	}
	name := Endpoint{EPR: full.EPR}
	sequence := &Sequence{InstanceID: 7, SequenceID: "urn:s", MessageNumber: 1<<32 - 1}
	list := []*Message{
		{Action: Hello, Sequence: sequence, Endpoints: []Endpoint{full}},
		{Action: Bye, Sequence: sequence, Endpoints: []Endpoint{name}},
		{Action: Probe, Query: Query{Types: full.Types, Scopes: full.Scopes, MatchBy: RuleExact}},
		{Action: Probe, Query: Query{MatchBy: RuleNone}},
		{Action: Probe},
		{Action: ProbeMatches, RelatesTo: "urn:uuid:2", Sequence: sequence, Endpoints: []Endpoint{full, name}},
		{Action: ProbeMatches, RelatesTo: "urn:uuid:2"},
		{Action: Resolve, Endpoints: []Endpoint{name}},
		{Action: ResolveMatches, RelatesTo: "urn:uuid:2", Sequence: sequence, Endpoints: []Endpoint{full}},
		{Action: ResolveMatches, RelatesTo: "urn:uuid:2"},
	}
	for _, m := range list {
		m.Version, m.MessageID = v, "urn:uuid:1"
	}
	return list
}

func TestRoundTrip(t *testing.T) {
	for _, v := range []Version{Version11, Version2005} {
		for _, m := range samples(v) {
			data, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			got, err := Parse(data)
			if err != nil {
				t.Fatalf("%s of %s: %v\n%s", m.Action, v, err, data)
			}
			if diff := cmp.Diff(m, got); diff != "" {
				t.Errorf("%s of %s (-sent +read):\n%s", m.Action, v, diff)
			}
			other := vocabularies[Version11+Version2005-v]
			for _, foreign := range []string{other.discovery, other.addressing, other.to} {
				// The rule "none" has only the name of 1.1.
				if m.Query.MatchBy != RuleNone && strings.Contains(string(data), foreign) {
					t.Errorf("%s of %s has %s of the other version", m.Action, v, foreign)
				}
			}
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	long := strings.Repeat("x", maxURI-8)
	tests := map[string]*Message{
		"no version":           {Action: Probe, MessageID: "urn:1"},
		"no action":            {Version: Version11, MessageID: "urn:1"},
		"no id":                {Version: Version11, Action: Probe},
		"answer to nothing":    {Version: Version11, Action: ProbeMatches, MessageID: "urn:1"},
		"two endpoints":        {Version: Version11, Action: Hello, MessageID: "urn:1", Endpoints: []Endpoint{{EPR: "a"}, {EPR: "b"}}},
		"no endpoint":          {Version: Version11, Action: Resolve, MessageID: "urn:1"},
		"empty EPR":            {Version: Version11, Action: Hello, MessageID: "urn:1", Endpoints: []Endpoint{{}}},
		"type not a name":      {Version: Version11, Action: Probe, MessageID: "urn:1", Query: Query{Types: []Name{{"urn:x", "a b"}}}},
		"type not a namespace": {Version: Version11, Action: Probe, MessageID: "urn:1", Query: Query{Types: []Name{{"", "a"}}}},
		"scope with space":     {Version: Version11, Action: Probe, MessageID: "urn:1", Query: Query{Scopes: []string{"a b"}}},
		"unknown rule":         {Version: Version11, Action: Probe, MessageID: "urn:1", Query: Query{MatchBy: RuleUnknown}},
		"scopes too long":      {Version: Version11, Action: Probe, MessageID: "urn:1", Query: Query{Scopes: []string{long, long, long}}},
		"message too long": {Version: Version11, Action: ProbeMatches, MessageID: "urn:1", RelatesTo: "urn:1", Endpoints: []Endpoint{
			{EPR: long}, {EPR: long}, {EPR: long}, {EPR: long}}},
	}
	for name, m := range tests {
		if data, err := m.Marshal(); err == nil {
			t.Errorf("%s: written as\n%s", name, data)
		}
	}
}

func TestCanonicalID(t *testing.T) {
	const want = "urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01"
	for _, s := range []string{
		want, "uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01", "4C0A8F6E-0C7A-4A43-9C0E-2F6F7D1B1A01",
		"\r\n URN:UUID:{4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01}\t",
	} {
		if got := CanonicalID(s); got != want {
			t.Errorf("CanonicalID(%q) = %q", s, got)
		}
	}
	for _, s := range []string{
		"http://Host/Path", "uuid:4c0a8f6e", "URN:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a0g", "URN:UUID:4c0a8f6e00c7a04a4309c0e02f6f7d1b1a01",
		"", "{}", "urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b-a01",
	} {
		if got := CanonicalID(s); got != s {
			t.Errorf("CanonicalID(%q) = %q", s, got)
		}
	}
}

func TestNames(t *testing.T) {
	var got struct {
		V Version
		N Name
	}
	got.V = Version2005
	if err := json.Unmarshal([]byte(`{"N":"{urn:vitrine:discovery:1}Server"}`), &got); err != nil || got.N != vitrineServer {
		t.Errorf("read %v, %v", got.N, err)
	}
	if b, err := json.Marshal(got); err != nil || string(b) != `{"V":"2005/04","N":"{urn:vitrine:discovery:1}Server"}` {
		t.Errorf("written as %s, %v", b, err)
	}
	for _, s := range []string{"", "Server", "{}Server", "{urn:x}", "{urn:x}a b", "{urn:x}1", "{urn: x}a", "{urn:x}a:b", "urn:x}a"} {
		if n, err := ParseName(s); err == nil {
			t.Errorf("ParseName(%q) = %v", s, n)
		}
	}
}
