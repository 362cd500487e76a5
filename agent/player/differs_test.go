package player

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// What counts as the wrong thing, and what doesn't.
func TestDiffers(t *testing.T) {
	now := time.Unix(1_800_000_000, 0) // a multiple of 30 s
	ten := func() []manifest.Item {
		return []manifest.Item{{Type: manifest.Text, Text: "a", Seconds: 10}, {Type: manifest.Text, Text: "b", Seconds: 10}, {Type: manifest.Text, Text: "c", Seconds: 10}}
	}
	film := []manifest.Item{{Type: manifest.Video, Asset: digest.Of([]byte("film"))}, {Type: manifest.Text, Text: "b", Seconds: 10}}
	generation := digest.Of([]byte("one"))
	m := &manifest.Manifest{
		Presentations: map[string]manifest.Presentation{
			"welcome": {Zones: []manifest.Zone{{ID: "main", Playlist: ten()}, {ID: "side", Playlist: film}}},
			"lunch":   {Zones: []manifest.Zone{{ID: "main", Playlist: ten()}}},
		},
		Schedule: manifest.Schedule{Default: "welcome"},
	}
	shows := func(zones ...any) map[string]Playing {
		all := map[string]Playing{}
		for i := 0; i < len(zones); i += 2 {
			all[zones[i].(string)] = Playing{Generation: generation, Playing: protocol.Playing{Presentation: "welcome", Item: zones[i+1].(int), Since: now}}
		}
		return all
	}
	late := func(all map[string]Playing, by time.Duration) map[string]Playing {
		for zone, p := range all {
			p.Since = now.Add(by)
			all[zone] = p
		}
		return all
	}
	other := func(change func(*Playing)) map[string]Playing {
		p := shows("main", 0)["main"]
		change(&p)
		return map[string]Playing{"main": p}
	}
	for name, c := range map[string]struct {
		shown  map[string]Playing
		at     time.Duration // into the playlist
		failed []failedItem
		want   string
	}{
		"the right items":                                      {shows("main", 0, "side", 1), 5 * time.Second, nil, ""},
		"the one before, for a while":                          {shows("main", 0), 12 * time.Second, nil, ""},
		"the next, a little early":                             {late(shows("main", 1), 9400*time.Millisecond), 9500 * time.Millisecond, nil, ""},
		"the one before, for long":                             {shows("main", 0), 15 * time.Second, nil, "shows item 1"},
		"one too far":                                          {shows("main", 2), 5 * time.Second, nil, "item 1 should be on"},
		"a round later":                                        {shows("main", 0), 35 * time.Second, nil, "shows item 1"},
		"a round later, for a moment":                          {shows("main", 0), 31 * time.Second, nil, "shows item 1"},
		"in another presentation":                              {other(func(p *Playing) { p.Presentation = "lunch" }), 5 * time.Second, nil, `"lunch"`},
		"of another generation":                                {other(func(p *Playing) { p.Generation = digest.Of([]byte("two")) }), 5 * time.Second, nil, "generation"},
		"nothing":                                              {nil, 5 * time.Second, nil, "shows nothing"},
		"nothing, since nothing can be shown":                  {nil, 5 * time.Second, []failedItem{{"welcome", "main", 0}, {"welcome", "side", 0}}, ""},
		"another in the place of one that fails":               {shows("main", 1), 5 * time.Second, []failedItem{{"welcome", "main", 0}}, ""},
		"what was before, in the place of what can't be shown": {map[string]Playing{"main": shows("main", 0)["main"], "side": {Playing: protocol.Playing{Presentation: "lunch"}}}, 5 * time.Second, []failedItem{{"welcome", "side", 0}}, ""},
		"what is to be seen, before the rest can be":           {shows("main", 0), 5 * time.Second, nil, ""},
		"what fails is elsewhere":                              {shows("main", 1), 5 * time.Second, []failedItem{{"welcome", "side", 0}, {"lunch", "main", 0}}, "shows item 2"},
		"a zone of before":                                     {shows("main", 0, "gone", 7), 5 * time.Second, nil, ""},
	} {
		at := now.Add(c.at)
		p := New(Config{Now: func() time.Time { return at }})
		if err := p.Show(Programme{Generation: generation, Manifest: m}); err != nil {
			t.Fatal(err)
		}
		for _, item := range c.failed {
			p.current.failed[item] = time.Now()
		}
		if got := p.Differs(Page{Shown: c.shown}); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	p := New(Config{})
	if got := p.Differs(Page{}); got != "" {
		t.Errorf("without a programme: %q", got)
	}
	m.Schedule.Closed = []string{"2027-01-15"}
	p = New(Config{Now: func() time.Time { return now }})
	if err := p.Show(Programme{Generation: generation, Manifest: m}); err != nil {
		t.Fatal(err)
	}
	if on, _ := p.On(); !on.Standby || p.Differs(Page{}) != "" {
		t.Errorf("on standby: %+v, %q", on, p.Differs(Page{}))
	}
}

// An item that failed excuses its zone for as long as it can't be shown, and no longer: a page that stands still hours later is seen.
func TestAFailureIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		then func(say func(item int, reason string)) // what the page says after its second item failed
		want string
	}{
		"it fails on":     {func(say func(int, string)) { <-time.After(time.Hour); say(1, "no answer") }, ""},
		"it was tried":    {func(func(int, string)) { <-time.After(30 * time.Second) }, ""},
		"it is shown":     {func(say func(int, string)) { say(1, "") }, "shows item 2"},
		"shown, failed":   {func(say func(int, string)) { say(1, ""); say(1, "no answer") }, ""},
		"another is":      {func(say func(int, string)) { say(2, "") }, ""},
		"it says no more": {func(func(int, string)) { <-time.After(30*time.Second + failureCounts) }, "shows item 1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var again []bool
			p := New(Config{Failed: func(f Failure) { again = append(again, f.Again) }})
			one := digest.Of([]byte("one"))
			list := []manifest.Item{{Type: manifest.Text, Text: "a", Seconds: 10}, {Type: manifest.Web, URL: "https://x.example/", Seconds: 10}, {Type: manifest.Text, Text: "c", Seconds: 10}}
			if err := p.Show(Programme{Generation: one, Manifest: &manifest.Manifest{
				Presentations: map[string]manifest.Presentation{"welcome": {Zones: []manifest.Zone{{ID: "main", Playlist: list}}}},
				Schedule:      manifest.Schedule{Default: "welcome"},
			}}); err != nil {
				t.Fatal(err)
			}
			g := &page{shown: map[string]report{}}
			p.open[g] = struct{}{}
			say := func(item int, reason string) {
				m := pageMessage{Generation: one, Presentation: "welcome", Zone: "main", Index: item, Since: millis(time.Now()), Reason: reason}
				if reason == "" {
					p.noteShown(g, m)
				} else {
					p.noteFailed(m)
				}
			}
			say(0, "")
			say(1, "no answer")
			c.then(say)
			<-time.After(25 * time.Second) // what is on is in its turn no more
			if got := p.Differs(p.OpenPages()[0]); c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
			for i, told := range again {
				if told != (i > 0) {
					t.Errorf("%s: failure %d was told as again: %v", name, i+1, told)
				}
			}
		})
	}
}
