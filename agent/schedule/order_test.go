package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/agent/schedule"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// What comes on first is needed first, and of one presentation the zones' items side by side.
func TestOrder(t *testing.T) {
	m := &manifest.Manifest{Version: 1, Presentations: map[string]manifest.Presentation{}, Assets: map[digest.Digest]manifest.Asset{}}
	names := map[digest.Digest]string{}
	zone := func(items ...string) manifest.Zone {
		z := manifest.Zone{ID: items[0], W: 100, H: 100}
		for _, name := range items {
			d := digest.Of([]byte(name))
			names[d] = name
			m.Assets[d] = manifest.Asset{Size: 1, Type: "image/png"}
			z.Playlist = append(z.Playlist, manifest.Item{Type: manifest.Image, Asset: d, Seconds: 1}, manifest.Item{Type: manifest.Text, Text: "x", Seconds: 1})
		}
		return z
	}
	m.Presentations["default"] = manifest.Presentation{Zones: []manifest.Zone{zone("d1", "d2"), zone("d3")}}
	m.Presentations["lunch"] = manifest.Presentation{Zones: []manifest.Zone{zone("l1", "d2")}}
	m.Presentations["evening"] = manifest.Presentation{Zones: []manifest.Zone{zone("e1")}}
	m.Presentations["never"] = manifest.Presentation{Zones: []manifest.Zone{zone("n1")}}
	m.Schedule = manifest.Schedule{Default: "default", Events: []manifest.Event{
		{Presentation: "evening", Start: "2026-06-01T18:00:00Z", End: "2026-06-01T20:00:00Z"},
		{Presentation: "lunch", Start: "2026-06-01T12:00:00Z", End: "2026-06-01T13:00:00Z"},
	}}
	s, err := schedule.New(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		at      string
		trusted bool
		want    string
	}{
		{"2026-06-01T08:00:00Z", true, "d1 d3 d2 l1 e1 n1"},
		{"2026-06-01T12:30:00Z", true, "l1 d2 d1 d3 e1 n1"},
		{"2026-06-01T18:30:00Z", true, "e1 d1 d3 d2 l1 n1"},
		{"2026-06-02T08:00:00Z", true, "d1 d3 d2 e1 l1 n1"},
		{"2026-06-01T12:30:00Z", false, "d1 d3 d2 e1 l1 n1"},
	} {
		at, err := time.Parse(time.RFC3339, test.at)
		if err != nil {
			t.Fatal(err)
		}
		order := s.Order(m, at, test.trusted)
		var got []string
		for _, d := range order {
			got = append(got, names[d])
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("at %s, trusted %t: %s, want %s", test.at, test.trusted, text, test.want)
		}
		used := m.Used()
		if len(used) != len(order) || slices.ContainsFunc(used, func(d digest.Digest) bool { return !slices.Contains(order, d) }) {
			t.Errorf("used are %v", fmt.Sprint(used))
		}
	}
}
