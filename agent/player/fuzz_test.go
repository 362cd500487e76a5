package player

import (
	"encoding/json"
	"testing"

	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Whatever a page says, what the agent then believes is an item of the programme and can be written as JSON.
func FuzzPageMessage(f *testing.F) {
	generation, asset := digest.Of([]byte("generation")), digest.Of([]byte("asset"))
	f.Add([]byte(`{"type":"shown","generation":"` + generation.String() + `","presentation":"welcome","zone":"main","index":0,"asset":"` + asset.String() + `","since":1.5e12}`))
	f.Add([]byte(`{"type":"shown","generation":"` + generation.String() + `","presentation":"welcome","zone":"main","index":-1,"asset":"","since":-1e300}`))
	f.Add([]byte(`{"type":"failed","reason":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := New(Config{})
		err := p.Show(Programme{Generation: generation, Manifest: &manifest.Manifest{
			Presentations: map[string]manifest.Presentation{"welcome": {Zones: []manifest.Zone{
				{ID: "main", Playlist: []manifest.Item{{Type: manifest.Image, Asset: asset, Seconds: 10}}},
			}}},
			Schedule: manifest.Schedule{Default: "welcome"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var m pageMessage
		if json.Unmarshal(data, &m) != nil {
			return
		}
		g := &page{shown: map[string]report{}}
		p.open[g] = struct{}{}
		p.noteShown(g, m)
		p.noteFailed(m)
		playing := p.Playing()
		if len(playing) != 1 || playing[0].Item != 0 || playing[0].Asset != asset {
			t.Errorf("playing %+v", playing)
		}
		if _, err := json.Marshal(playing); err != nil {
			t.Error(err)
		}
	})
}
