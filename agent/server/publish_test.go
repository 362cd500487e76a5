package server

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/agent/server/media"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// Each programme is issued after the one before: within a second, with a clock that was put back, and by a server that was started again.
func TestIssuedInOrder(t *testing.T) {
	site, _, err := OpenSite(t.TempDir(), "north")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	ids := map[string]bool{}
	var before time.Time
	for i, shift := range []time.Duration{0, 300 * time.Millisecond, 0, -time.Hour, time.Hour} {
		p, err := newPublisher(site, 10)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(shift)
		p.now = func() time.Time { return now }
		item := media.Item{Name: "a.png", Digest: digest.Of([]byte{byte(i)}), Size: 1, Type: "image/png"}
		if changed, err := p.update([]media.Item{item}, nil, nil); err != nil || !changed {
			t.Fatalf("programme %d: changed %v, %v", i, changed, err)
		}
		m := p.last()
		if !m.Issued.After(before) || ids[m.ID] {
			t.Errorf("programme %d: %s is issued at %v, and the one before at %v", i, m.ID, m.Issued, before)
		}
		before, ids[m.ID] = m.Issued, true
	}
}

// A layout names files and folders; what it leaves out is as without one.
func TestLayout(t *testing.T) {
	site, _, err := OpenSite(t.TempDir(), "north")
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPublisher(site, 10)
	if err != nil {
		t.Fatal(err)
	}
	file := func(path, mediaType string, duration time.Duration) media.Item {
		return media.Item{Path: path, Name: path, Digest: digest.Of([]byte(path)), Size: 1, Type: mediaType, Duration: duration}
	}
	items := []media.Item{file("a.png", "image/png", 0), file("rooms/b.jpg", "image/jpeg", 0), file("rooms/c.webm", "video/webm", 2*time.Second), file("roomsy.jpg", "image/jpeg", 0),
		file("music/a.mp3", "audio/mpeg", 0), file("music/b.m4a", "audio/mp4", 3*time.Second), file("music/cover.jpg", "image/jpeg", 0)}
	written := `{"timezone": "Europe/Amsterdam", "presentations": {
		"day": {"background": "#123456", "zones": [
			{"id": "main", "w": 100, "h": 90, "playlist": [{"folder": "rooms", "seconds": 7, "fit": "cover"}, {"file": "./a.png", "transition": "cut"}]},
			{"id": "bar", "y": 90, "w": 100, "h": 10, "background": "#fff", "color": "#000", "playlist": [{"type": "text", "text": "hello", "seconds": 5}]},
			{"id": "music", "w": 1, "h": 1, "playlist": [{"folder": "music", "volume": 40}]}]},
		"empty": {"zones": [{"id": "main", "w": 100, "h": 100, "playlist": [{"folder": "none"}]}]}},
		"schedule": {"default": "day", "operating": [{"from": "07:00", "to": "22:00"}], "events": [{"presentation": "empty", "dayparts": [{"from": "12:00", "to": "13:00"}]}]}}`
	update := func(items, added []media.Item, written string) (bool, error) {
		t.Helper()
		return p.update(items, added, []byte(written))
	}
	if changed, err := update(items, nil, written); err != nil || !changed {
		t.Fatal(changed, err)
	}
	m := p.last()
	want := []manifest.Item{
		{Type: manifest.Image, Asset: items[1].Digest, Seconds: 7, Fit: manifest.Cover, Transition: manifest.Fade},
		{Type: manifest.Video, Asset: items[2].Digest, Seconds: 2, Fit: manifest.Cover},
		{Type: manifest.Image, Asset: items[0].Digest, Seconds: 10, Transition: manifest.Cut},
	}
	if diff := cmp.Diff(want, m.Presentations["day"].Zones[0].Playlist); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	music := []manifest.Item{
		{Type: manifest.Audio, Asset: items[4].Digest, Volume: 40},
		{Type: manifest.Audio, Asset: items[5].Digest, Volume: 40, Seconds: 3},
		{Type: manifest.Image, Asset: items[6].Digest, Seconds: 10, Transition: manifest.Fade},
	}
	if diff := cmp.Diff(music, m.Presentations["day"].Zones[2].Playlist); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if bar := m.Presentations["day"].Zones[1]; bar.Background != "#fff" || bar.Color != "#000" {
		t.Errorf("%+v", bar)
	}
	if len(m.Assets) != 6 || m.Timezone != "Europe/Amsterdam" || len(m.Schedule.Operating) != 1 || m.Presentations["empty"].Zones[0].Playlist[0].Type != manifest.Text {
		t.Errorf("%+v", m)
	}
	if changed, err := update(items, nil, written); err != nil || changed {
		t.Errorf("the same again: %t, %v", changed, err)
	}

	// What comes into a folder of the default presentation is shown in its zone at once; nothing else is.
	fresh := file("rooms/d.jpg", "image/jpeg", 0)
	elsewhere := file("e.jpg", "image/jpeg", 0)
	items = append(items, fresh, elsewhere)
	if changed, err := update(items, []media.Item{fresh, elsewhere}, written); err != nil || !changed {
		t.Fatal(changed, err)
	}
	m = p.last()
	first, ok := m.Presentations[newPrefix+"1"]
	if !ok || len(m.Presentations) != 3 || len(m.Schedule.Events) != 2 || m.Schedule.Events[1].Priority != lowest {
		t.Fatalf("%+v", m.Schedule)
	}
	if len(first.Zones[0].Playlist) != 1 || first.Zones[0].Playlist[0].Asset != fresh.Digest || first.Zones[1].Playlist[0].Text != "hello" || first.Background != "#123456" {
		t.Errorf("%+v", first)
	}
	if changed, err := update(items, nil, written); err != nil || changed {
		t.Errorf("once it was shown: %t, %v", changed, err)
	}

	for name, c := range map[string]struct{ old, new, want string }{
		"file":     {"./a.png", "nothing.png", `programme.json: presentations.day.zones[0].playlist[1].file: there is no picture, video or sound "nothing.png"`},
		"silence":  {`"folder": "music", "volume": 40`, `"file": "music/a.mp3"`, "presentations.day.zones[2].playlist[0].volume: is missing"},
		"address":  {`"type": "text", "text": "hello"`, `"type": "web", "url": "/etc/passwd"`, "presentations.day.zones[1].playlist[0].url: want an address"},
		"clock":    {`"type": "text", "text": "hello"`, `"type": "clock", "format": "hours"`, "presentations.day.zones[1].playlist[0].format: it has no"},
		"stranger": {`"type": "text", "text": "hello"`, `"type": "clock", "text": "x"`, "presentations.day.zones[1].playlist[0].text: an item of the type clock has none"},
		"field":    {`"seconds": 7`, `"sceonds": 7`, `programme.json: json: unknown field "sceonds"`},
		"syntax":   {`"day": {`, "\n\"day\": [", "programme.json: line "},
		"zone":     {`"w": 100, "h": 90`, `"w": 100, "h": 101`, "presentations.day.zones[0]: x, y, w and h"},
		"default":  {`"default": "day"`, `"default": "night"`, `schedule.default: there is no presentation "night"`},
		"hours":    {`"07:00"`, `"7:00"`, `schedule.operating[0].from: "7:00"`},
		"both":     {`"file": "./a.png"`, `"file": "./a.png", "folder": "."`, "playlist[1]: want one of file, folder and type"},
		"name":     {`"empty": {"zones"`, `"vitrine-new-9": {"zones"`, "the server's own"},
		"cut":      {`"13:00"}]}]}}`, `"13:00"}`, "ends before its last }"},
		"tail":     {`"13:00"}]}]}}`, `"13:00"}]}]}}}`, "something after the end"},
	} {
		before := p.current
		changed, err := update(items, nil, strings.Replace(written, c.old, c.new, 1))
		if err == nil || changed || !strings.Contains(err.Error(), c.want) || p.current != before {
			t.Errorf("%s: %t, %v; want %q", name, changed, err, c.want)
		}
	}
}
