package wsd

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/ours-*.xml instead of comparing with it")

// goldenNames are the messages of others in testdata: file names without folder and ".xml".
func goldenNames(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	var names []string
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".xml"); !strings.HasPrefix(name, "ours-") {
			names = append(names, name)
		}
	}
	return names
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Each message of others is read as what it means, and what we write of it is read as the same.
func TestGoldenOthers(t *testing.T) {
	wanted := make(map[string]*Message)
	for _, list := range []map[string]*Message{wcfMessages(), windowsMessages(), linuxMessages(), onvifMessages(), oddMessages()} {
		maps.Copy(wanted, list)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(wanted)), goldenNames(t)); diff != "" {
		t.Errorf("messages (-wanted +in testdata):\n%s", diff)
	}
	for name, want := range wanted {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(readGolden(t, name))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			checkRoundTrip(t, got)
		})
	}
}

// checkRoundTrip writes a message and reads it again: reader and writer must agree on the format.
func checkRoundTrip(t *testing.T, m *Message) {
	t.Helper()
	data, err := m.Marshal()
	if err != nil {
		t.Fatalf("%+v can't be written: %v", m, err)
	}
	again, err := Parse(data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if diff := cmp.Diff(written(m), again); diff != "" {
		t.Fatalf("message (-written +read):\n%s", diff)
	}
}

// written is what is left of a message when it was written: of a Bye the name alone.
func written(m *Message) *Message {
	if m.Action != Bye {
		return m
	}
	short := *m
	short.Endpoints = []Endpoint{{EPR: m.Endpoints[0].EPR}}
	return &short
}

// The exact bytes of what we write matter: wsdd2 finds Action and MessageID by text search, wsdd compares "wsdp:Device" as
// text, WCF depends on the order.
func TestGoldenOurs(t *testing.T) {
	for _, v := range []Version{Version11, Version2005} {
		for name, m := range ourMessages(v) {
			name = "ours-" + strings.ReplaceAll(v.String(), "/", "-") + "-" + name
			got, err := m.Marshal()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if *update {
				if err := os.WriteFile(filepath.Join("testdata", name+".xml"), got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(readGolden(t, name)), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// ourMessages are the six messages as our programs send them, and one that needs every kind of escape.
func ourMessages(v Version) map[string]*Message {
	const request = "urn:uuid:5ecd7f4c-ae7d-4c0e-9d9a-0e9dcb0e3c5a"
	name := Endpoint{EPR: "urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-2f6f7d1b1a01"}
	server := Endpoint{
		EPR:             name.EPR,
		Types:           []Name{vitrineServer},
		Scopes:          []string{"vitrine://site/role/main", "vitrine://site/location/hall/left"},
		XAddrs:          []string{"mqtts://192.0.2.10:7237", "https://[2001:db8::10]:7237"},
		MetadataVersion: 1,
	}
	list := map[string]*Message{
		"hello":          {Action: Hello, Endpoints: []Endpoint{server}},
		"bye":            {Action: Bye, Endpoints: []Endpoint{server}},
		"probe":          {Action: Probe, Query: Query{Types: server.Types, Scopes: []string{"vitrine://site"}}},
		"probe-all":      {Action: Probe},
		"probematches":   {Action: ProbeMatches, RelatesTo: request, Endpoints: []Endpoint{server}},
		"resolve":        {Action: Resolve, Endpoints: []Endpoint{name}},
		"resolvematches": {Action: ResolveMatches, RelatesTo: request, Endpoints: []Endpoint{server}},
		"probe-escapes": {Action: Probe, Query: Query{
			Types:   []Name{{devprof, "Device"}, {"urn:a&b", "T"}},
			Scopes:  []string{"http://x/?a&b<c>\"'", "urn:ü"},
			MatchBy: RulePrefix,
		}},
	}
	for _, m := range list {
		m.Version, m.MessageID = v, "urn:uuid:0f3c4b5a-8f0e-4f6b-9d3e-7a1b2c3d4e5f"
		if m.Action != Probe && m.Action != Resolve {
			m.Sequence = &Sequence{InstanceID: 1700000000, MessageNumber: 3}
		}
	}
	return list
}
