package manifest_test

import (
	"bytes"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vitrine/content/digest"
	"vitrine/content/manifest"
)

func TestParse(t *testing.T) {
	for _, d := range documents {
		t.Run(d.name, func(t *testing.T) {
			m, err := manifest.Parse([]byte(d.text(t)))
			switch {
			case d.field == "" && err != nil:
				t.Errorf("refused: %v", err)
			case d.field != "" && err == nil:
				t.Error("taken")
			case d.field != "" && !strings.Contains(err.Error(), d.field):
				t.Errorf("the error doesn't name %s: %v", d.field, err)
			case err != nil && (m != nil || len(err.Error()) > 400):
				t.Errorf("error of %d bytes, manifest %v", len(err.Error()), m)
			}
		})
	}
}

// Both ends may check with the schema what they have no Go for: it must agree with Parse.
func TestSchemaAgreesWithParse(t *testing.T) {
	raw, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("urn:vitrine:manifest:1", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("urn:vitrine:manifest:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents {
		t.Run(d.name, func(t *testing.T) {
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(d.text(t)))
			if err != nil {
				t.Fatal(err)
			}
			valid := d.field == "" || d.beyond
			if err := schema.Validate(v); (err == nil) != valid {
				t.Errorf("schema: %v, want valid %t", err, valid)
			}
		})
	}
}

func TestParseRefusesBrokenDocuments(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"null":               "null",
		"a list":             "[]",
		"half":               good[:len(good)/2],
		"two":                good + good,
		"something after it": good + "}",
		"not UTF-8":          strings.Replace(good, "lobby", "lob\xffby", 1),
		"too deep":           strings.Repeat(`{"x":`, 20_000),
		"too large":          good + strings.Repeat(" ", manifest.MaxSize),
	} {
		if m, err := manifest.Parse([]byte(text)); err == nil || m != nil {
			t.Errorf("%s: taken: %v", name, m)
		}
	}
	if _, err := manifest.Parse([]byte(good + strings.Repeat(" ", manifest.MaxSize-len(good)))); err != nil {
		t.Errorf("a manifest of just the largest size: %v", err)
	}
}

// The place of an error may be anywhere in what a stranger wrote, and must still fit into a line of a log.
func TestErrorOfADeepPlaceIsShort(t *testing.T) {
	const depth = 5000
	name := strings.Repeat("n", 500)
	deep := strings.Repeat(`{"`+name+`":`, depth) + `{"x": 1, "x": 1}` + strings.Repeat("}", depth)
	_, err := manifest.Parse([]byte(strings.Replace(good, `"version": 1`, `"version": 1, "later": `+deep, 1)))
	if err == nil || !strings.Contains(err.Error(), "x: is there twice") || len(err.Error()) > 1200 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

func TestMarshal(t *testing.T) {
	m := parse(t, good)
	data, err := manifest.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	again, err := manifest.Marshal(parse(t, string(data)))
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("the same manifest gave other bytes (%v):\n%s\n%s", err, data, again)
	}
	if diff := cmp.Diff(m, parse(t, string(data))); diff != "" {
		t.Errorf("it came back changed:\n%s", diff)
	}
	for name, spoil := range map[string]func(*manifest.Manifest){
		"zones[0]":            func(m *manifest.Manifest) { m.Presentations["lunch"].Zones[0].X = math.NaN() },
		"playlist[0].seconds": func(m *manifest.Manifest) { m.Presentations["lunch"].Zones[0].Playlist[0].Seconds = math.NaN() },
		"id":                  func(m *manifest.Manifest) { m.ID = "\xff" },
	} {
		m := parse(t, good)
		spoil(m)
		if _, err := manifest.Marshal(m); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUsed(t *testing.T) {
	var want []digest.Digest
	for _, s := range []string{film, picture} { // lunch comes before welcome
		d, err := digest.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, d)
	}
	if got := parse(t, good).Used(); !slices.Equal(got, want) {
		t.Errorf("used %v, want %v", got, want)
	}
}

func parse(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"version":1,"schedule":{"events":[{}]}}`))
	f.Add([]byte(strings.Replace(good, `{"type": "text", "text": "Hello\nyou"`, `{"type": "clock", "format": "HH 'x' mm", "language": "nl"`, 1)))
	f.Add([]byte(strings.Replace(good, `{"type": "text", "text": "Hello\nyou"`, `{"type": "web", "url": "https://[::1]:8/"`, 1)))
	f.Add([]byte(`null`))
	f.Add([]byte(strings.Replace(good, `"seconds": 10`, `"seconds": "x"`, 1)))
	f.Add([]byte(`{"later":[[{"x":1,"x":2}]],"ISSUED":5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Parse(data)
		if err != nil {
			return
		}
		out, err := manifest.Marshal(m)
		if err != nil {
			t.Fatalf("valid, but can't be written: %v", err)
		}
		again, err := manifest.Parse(out)
		if err != nil {
			t.Fatalf("what was written can't be read: %v\n%s", err, out)
		}
		second, err := manifest.Marshal(again)
		if err != nil || !bytes.Equal(second, out) {
			t.Fatalf("not stable (%v):\n%s\n%s", err, out, second)
		}
	})
}

// A viewer on a small board reads its manifest at every start: 2,000 assets, each shown once.
func BenchmarkParse(b *testing.B) {
	m, err := manifest.Parse([]byte(good))
	if err != nil {
		b.Fatal(err)
	}
	zone := &m.Presentations["lunch"].Zones[0]
	for i := range 2000 {
		d := digest.Of([]byte{byte(i), byte(i >> 8)})
		m.Assets[d] = manifest.Asset{Size: 1, Type: "image/jpeg", Name: "a.jpg"}
		zone.Playlist = append(zone.Playlist, manifest.Item{Type: manifest.Image, Asset: d, Seconds: 10})
	}
	data, err := manifest.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := manifest.Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}
