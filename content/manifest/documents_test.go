package manifest_test

import (
	"strings"
	"testing"
)

const (
	picture = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	film    = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	song    = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	unknown = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

// good is a valid manifest; the documents below are this one with one thing changed.
const good = `{
 "version": 1, "id": "lobby", "issued": "2026-11-23T08:00:00Z", "timezone": "Europe/Amsterdam",
 "assets": {
  "` + picture + `": {"size": 100, "type": "image/jpeg", "name": "a.jpg", "urls": ["https://cdn.example/a?b=c"]},
  "` + song + `": {"size": 300, "type": "audio/mpeg"},
  "` + film + `": {"size": 200, "type": "video/mp4; codecs=\"avc1\""}
 },
 "presentations": {
  "welcome": {"background": "#102030", "zones": [
   {"id": "main", "x": 0, "y": 0, "w": 100, "h": 90, "playlist": [
    {"type": "image", "asset": "` + picture + `", "seconds": 10, "fit": "cover", "transition": "fade"},
    {"type": "video", "asset": "` + film + `"}]},
   {"id": "ticker", "x": 0, "y": 90, "w": 100, "h": 10, "playlist": [{"type": "text", "text": "Hello\nyou", "seconds": 20}]}]},
  "lunch": {"zones": [{"id": "z", "w": 50.5, "h": 100, "playlist": [{"type": "video", "asset": "` + film + `", "seconds": 0.1}]}]}
 },
 "schedule": {"default": "welcome", "events": [
  {"presentation": "lunch", "start": "2026-11-23T11:30:00", "end": "2026-11-23T12:30:00.5Z", "priority": -5}]},
 "sync": {"group": "wall-1"}
}`

// A document is good with the first old replaced by new.
type document struct {
	name     string
	old, new string
	// field must be in the error; "" means that the document is valid.
	field string
	// beyond says that a JSON Schema can't express the check.
	beyond bool
}

func (d document) text(t *testing.T) string {
	t.Helper()
	if !strings.Contains(good, d.old) {
		t.Fatalf("%s: %q is not in the document", d.name, d.old)
	}
	return strings.Replace(good, d.old, d.new, 1)
}

var documents = []document{
	{name: "as it is"},
	{name: "unknown field", old: `"version": 1`, new: `"version": 1, "later": {"x": []}`},
	{name: "no zone", old: `"timezone": "Europe/Amsterdam",`, new: ``},
	{name: "no events", old: `"events": [`, new: `"ignored": [`},
	{name: "no sync", old: `"sync"`, new: `"later"`},
	{name: "background of three digits", old: "#102030", new: "#AbC"},
	{name: "thirds", old: `"w": 50.5`, new: `"x": 66.66666666666667, "w": 33.33333333333334`},

	{name: "version twice", old: `"version": 1`, new: `"version": 1, "version": 1`, field: "version: is there twice", beyond: true},
	{name: "name twice, once escaped", old: `"id": "lobby"`, new: `"id": "lobby", "\u0069d": "hall"`, field: "id: is there twice", beyond: true},
	{name: "asset twice", old: `"` + film + `": {`, new: `"` + picture + `": {"size": 1, "type": "image/png"}, "` + film + `": {`, field: "assets." + picture + ": is there twice", beyond: true},
	{name: "presentation twice", old: `"lunch": {`, new: `"welcome": {"zones": [{"id": "z", "w": 1, "h": 1, "playlist": [{"type": "text", "text": "x", "seconds": 1}]}]}, "lunch": {`, field: "presentations.welcome: is there twice", beyond: true},
	{name: "field of an item twice", old: `"seconds": 20`, new: `"seconds": 20, "seconds": 9`, field: "presentations.welcome.zones[1].playlist[0].seconds: is there twice", beyond: true},
	{name: "unknown field twice", old: `"version": 1`, new: `"version": 1, "later": {"x": [{"y": 1, "y": 1}]}`, field: "later.x[0].y: is there twice", beyond: true},
	{name: "name in capitals", old: `"id": "lobby"`, new: `"ID": "lobby"`, field: `ID: is spelled "id"`},
	{name: "name in capitals beside the right one", old: `"seconds": 20`, new: `"seconds": 20, "Seconds": 5`, field: "playlist[0].Seconds: is spelled", beyond: true},
	{name: "name with a long s", old: `"id": "ticker"`, new: `"id": "ticker", "playli\u017ft": []`, field: "is spelled", beyond: true},
	{name: "capitals in what isn't known", old: `"version": 1`, new: `"version": 1, "later": {"Version": 2}`},
	{name: "presentations that differ in case", old: `"lunch": {`, new: `"Lunch": {"zones": [{"id": "z", "w": 1, "h": 1, "playlist": [{"type": "text", "text": "x", "seconds": 1}]}]}, "lunch": {`},

	{name: "version missing", old: `"version": 1, `, field: "version"},
	{name: "version 2", old: `"version": 1`, new: `"version": 2`, field: "version"},
	{name: "version as text", old: `"version": 1`, new: `"version": "1"`, field: "version"},
	{name: "id missing", old: `"id": "lobby", `, field: "id"},
	{name: "id too long", old: `"lobby"`, new: `"` + strings.Repeat("x", 257) + `"`, field: "id"},
	{name: "id with line break", old: `"lobby"`, new: `"a\nb"`, field: "id"},
	{name: "issued missing", old: `"issued": "2026-11-23T08:00:00Z", `, field: "issued"},
	{name: "issued no time", old: `"2026-11-23T08:00:00Z"`, new: `"yesterday"`, field: "issued"},
	{name: "issued a number", old: `"2026-11-23T08:00:00Z"`, new: `5`, field: "issued"},
	{name: "unknown time zone", old: "Europe/Amsterdam", new: "Europe/Nowhere", field: "timezone", beyond: true},
	{name: "time zone outside the database", old: "Europe/Amsterdam", new: "../../etc/passwd", field: "timezone", beyond: true},
	{name: "local time zone", old: "Europe/Amsterdam", new: "Local", field: "timezone"},

	{name: "assets a list", old: `"assets": {`, new: `"assets": [], "x": {`, field: "assets"},
	{name: "asset with upper-case digest", old: picture, new: strings.ToUpper(picture), field: "assets"},
	{name: "asset without digest", old: `"` + picture + `": {`, new: `"": {"size": 1, "type": "a/b"}, "` + picture + `": {`, field: "assets"},
	{name: "asset size 0", old: `"size": 100`, new: `"size": 0`, field: picture + ".size"},
	{name: "asset size negative", old: `"size": 100`, new: `"size": -1`, field: picture + ".size"},
	{name: "asset size of 2 TiB", old: `"size": 100`, new: `"size": 2199023255552`, field: picture + ".size"},
	{name: "asset size fraction", old: `"size": 100`, new: `"size": 1.5`, field: "assets." + picture + ".size: 1.5"},
	{name: "asset size an object", old: `"size": 100`, new: `"size": {"x": 1}`, field: "assets." + picture + ".size: an object"},
	{name: "asset a text", old: `{"size": 100, "type": "image/jpeg", "name": "a.jpg", "urls": ["https://cdn.example/a?b=c"]}`, new: `"a.jpg"`, field: "assets." + picture + `: "a.jpg"`},
	{name: "asset url a number", old: `["https`, new: `[5, "https`, field: "assets." + picture + ".urls[0]: 5"},
	{name: "asset without type", old: `"type": "image/jpeg", `, field: picture + ".type"},
	{name: "asset type with half", old: `"image/jpeg"`, new: `"image/"`, field: picture + ".type"},
	{name: "asset type with line break", old: `"image/jpeg"`, new: `"image/jp\neg"`, field: picture + ".type"},
	{name: "asset name too long", old: `"a.jpg"`, new: `"` + strings.Repeat("x", 257) + `"`, field: picture + ".name"},
	{name: "asset url http", old: `https://cdn`, new: `http://cdn`, field: picture + ".urls[0]"},
	{name: "asset url without host", old: `https://cdn.example`, new: `https://:443`, field: picture + ".urls[0]"},
	{name: "asset url file", old: `https://cdn.example`, new: `file:///etc/passwd`, field: picture + ".urls[0]"},
	{name: "too many urls", old: `["https`, new: `[` + strings.Repeat(`"https://a", `, 16) + `"https`, field: picture + ".urls"},

	{name: "no presentations", old: `"presentations"`, new: `"later"`, field: "presentations"},
	{name: "presentation without name", old: `"lunch": {"z`, new: `"": {"z`, field: "presentations."},
	{name: "background a word", old: "#102030", new: "red", field: "presentations.welcome.background"},
	{name: "background of five digits", old: "#102030", new: "#10203", field: "presentations.welcome.background"},
	{name: "no zones", old: `"zones": [{"id": "z"`, new: `"zones": [], "later": [{"id": "z"`, field: "presentations.lunch.zones"},
	{name: "zone without id", old: `"id": "ticker", `, field: "presentations.welcome.zones[1].id"},
	{name: "two zones of one id", old: `"ticker"`, new: `"main"`, field: "presentations.welcome.zones[1].id", beyond: true},
	{name: "zone over the edge", old: `"y": 90`, new: `"y": 90.1`, field: "presentations.welcome.zones[1]", beyond: true},
	{name: "zone left of the screen", old: `"x": 0`, new: `"x": -1`, field: "presentations.welcome.zones[0]"},
	{name: "zone without width", old: `"w": 50.5`, new: `"w": 0`, field: "presentations.lunch.zones[0]"},
	{name: "zone too wide", old: `"w": 50.5`, new: `"w": 101`, field: "presentations.lunch.zones[0]"},
	{name: "zone with a width that is none", old: `"w": 50.5`, new: `"w": 1e999`, field: "presentations.lunch.zones[0].w: 1e999"},
	{name: "zone with a width as text", old: `"w": 50.5`, new: `"w": "half"`, field: `presentations.lunch.zones[0].w: "half"`},
	{name: "zone with a list for a height", old: `"h": 10,`, new: `"h": [10],`, field: "presentations.welcome.zones[1].h: a list"},
	{name: "no playlist", old: `"playlist": [{"type": "text"`, new: `"later": [{"type": "text"`, field: "presentations.welcome.zones[1].playlist"},

	{name: "item without type", old: `"type": "text", `, field: "presentations.welcome.zones[1].playlist[0].type"},
	{name: "item of an unknown type", old: `{"type": "text"`, new: `{"type": "hologram"`, field: "presentations.welcome.zones[1].playlist[0].type"},
	{name: "web page", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https://example.org:8080/a?b=c#d", "seconds": 20}`},
	{name: "web page at an address", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "http://[2001:db8::1]/", "seconds": 20}`},
	{name: "web page without address", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "seconds": 20}`, field: "playlist[0].url: is missing"},
	{name: "web page in a file", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "file:///etc/passwd", "seconds": 20}`, field: "playlist[0].url"},
	{name: "web page with a password", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https://user:secret@example.org", "seconds": 20}`, field: "playlist[0].url"},
	{name: "web page that adds to a policy", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https://a.example;script-src/", "seconds": 20}`, field: "playlist[0].url"},
	{name: "web page anywhere", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https://*/", "seconds": 20}`, field: "playlist[0].url"},
	{name: "web page of no host", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https:///x", "seconds": 20}`, field: "playlist[0].url"},
	{name: "web page for ever", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https://example.org"}`, field: "playlist[0].seconds"},
	{name: "web page with a text", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "web", "url": "https://example.org", "text": "x", "seconds": 20}`, field: "playlist[0].text: an item of the type web has none"},
	{name: "feed", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "feed", "url": "https://example.org/rss", "speed": 12.5, "seconds": 20}`},
	{name: "stream", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "stream", "url": "https://example.org/live.m3u8", "volume": 30, "fit": "cover", "seconds": 20}`},
	{name: "ticker", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "ticker", "text": "Hello", "speed": 10, "seconds": 20}`},
	{name: "ticker that stands", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "ticker", "text": "Hello", "speed": -1, "seconds": 20}`, field: "playlist[0].speed"},
	{name: "ticker of light", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "ticker", "text": "Hello", "speed": 101, "seconds": 20}`, field: "playlist[0].speed"},
	{name: "text that runs", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "text", "text": "Hello", "speed": 10, "seconds": 20}`, field: "playlist[0].speed"},
	{name: "clock", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "seconds": 20}`},
	{name: "clock with everything", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "format": "HH:mm\nEEEE, d MMMM 'anno' yyyy", "timezone": "Asia/Tokyo", "language": "pt-BR", "seconds": 20}`},
	{name: "clock of unknown letters", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "format": "HHH:mm", "seconds": 20}`, field: "playlist[0].format", beyond: true},
	{name: "clock with an open quote", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "format": "HH 'o", "seconds": 20}`, field: "playlist[0].format: a quote", beyond: true},
	{name: "clock with an escape", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "format": "\u001b[2J", "seconds": 20}`, field: "playlist[0].format"},
	{name: "clock of nowhere", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "timezone": "Europe/Nowhere", "seconds": 20}`, field: "playlist[0].timezone", beyond: true},
	{name: "clock of here", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "timezone": "Local", "seconds": 20}`, field: "playlist[0].timezone"},
	{name: "clock in no language", old: `{"type": "text", "text": "Hello\nyou", "seconds": 20}`, new: `{"type": "clock", "language": "english", "seconds": 20}`, field: "playlist[0].language"},
	{name: "sound without volume", old: `"type": "video", "asset": "` + film + `"`, new: `"type": "audio", "asset": "` + song + `"`, field: "playlist[1].volume: is missing"},
	{name: "sound", old: `"type": "video", "asset": "` + film + `"`, new: `"type": "audio", "volume": 100, "asset": "` + song + `"`},
	{name: "sound that is a film", old: `"type": "video", "asset": "` + film + `"`, new: `"type": "audio", "volume": 100, "asset": "` + film + `"`, field: "playlist[1].asset", beyond: true},
	{name: "volume of 11", old: `"type": "video", "asset": "` + film + `"`, new: `"type": "video", "volume": 101, "asset": "` + film + `"`, field: "playlist[1].volume"},
	{name: "volume of a half", old: `"type": "video", "asset": "` + film + `"`, new: `"type": "video", "volume": 0.5, "asset": "` + film + `"`, field: "playlist[1].volume: 0.5"},
	{name: "volume of a picture", old: `"fit": "cover"`, new: `"fit": "cover", "volume": 3`, field: "playlist[0].volume"},
	{name: "slide", old: `"fade"`, new: `"slide", "transition_seconds": 0.5`},
	{name: "fade of no length", old: `"fade"`, new: `"fade", "transition_seconds": 0.05`, field: "playlist[0].transition_seconds"},
	{name: "fade of a minute", old: `"fade"`, new: `"fade", "transition_seconds": 60`, field: "playlist[0].transition_seconds"},
	{name: "fit as it is", old: `"cover"`, new: `"scale-down"`},
	{name: "colours of a zone", old: `"id": "ticker"`, new: `"id": "ticker", "background": "#fff", "color": "#123456"`},
	{name: "zone of a colour that is none", old: `"id": "ticker"`, new: `"id": "ticker", "background": "white"`, field: "presentations.welcome.zones[1].background"},
	{name: "zone of a script", old: `"id": "ticker"`, new: `"id": "ticker", "color": "#fff;x"`, field: "presentations.welcome.zones[1].color"},
	{name: "text without text", old: `"text": "Hello\nyou", `, field: "playlist[0].text"},
	{name: "text too long", old: `Hello`, new: strings.Repeat("x", 4097), field: "playlist[0].text"},
	{name: "text with escape", old: `Hello`, new: `\u001b[2J`, field: "playlist[0].text"},
	{name: "text with an asset", old: `"text": "Hello`, new: `"asset": "` + unknown + `", "text": "Hello`, field: "playlist[0].asset"},
	{name: "text for ever", old: `, "seconds": 20`, field: "playlist[0].seconds"},
	{name: "image without asset", old: `"asset": "` + picture + `", "seconds"`, new: `"seconds"`, field: "playlist[0].asset: is missing"},
	{name: "image with half a digest", old: `"asset": "` + picture, new: `"asset": "sha256:12`, field: "presentations.welcome.zones[0].playlist[0].asset: digest"},
	{name: "image with a number for a digest", old: `"asset": "` + picture + `"`, new: `"asset": 12`, field: "presentations.welcome.zones[0].playlist[0].asset: 12"},
	{name: "image of very many seconds", old: `"seconds": 10`, new: `"seconds": 1` + strings.Repeat("0", 5000), field: "presentations.welcome.zones[0].playlist[0].seconds: 1000"},
	{name: "image not in the list", old: `"asset": "` + picture, new: `"asset": "` + unknown, field: "playlist[0].asset", beyond: true},
	{name: "image that is a film", old: `"asset": "` + picture, new: `"asset": "` + film, field: "playlist[0].asset", beyond: true},
	{name: "image for ever", old: `"seconds": 10, `, field: "playlist[0].seconds"},
	{name: "image too short", old: `"seconds": 10`, new: `"seconds": 0.09`, field: "playlist[0].seconds"},
	{name: "image longer than a day", old: `"seconds": 10`, new: `"seconds": 86401`, field: "playlist[0].seconds"},
	{name: "film of negative length", old: `"seconds": 0.1`, new: `"seconds": -1`, field: "playlist[0].seconds"},
	{name: "fit", old: `"cover"`, new: `"tile"`, field: "playlist[0].fit"},
	{name: "transition", old: `"fade"`, new: `"wipe"`, field: "playlist[0].transition"},

	{name: "no schedule", old: `"schedule"`, new: `"later"`, field: "schedule.default"},
	{name: "default unknown", old: `"default": "welcome"`, new: `"default": "x"`, field: "schedule.default", beyond: true},
	{name: "operating hours", old: `"default"`, new: `"operating": [{"days": "MO-FR,SU", "from": "07:00", "to": "22:00"}, {"from": "22:30", "to": "24:00"}], "closed": ["2026-12-25"], "default"`},
	{name: "no operating hours", old: `"default"`, new: `"operating": [], "closed": null, "default"`},
	{name: "operating on a day that isn't", old: `"default"`, new: `"operating": [{"days": "MO-FRI", "from": "07:00", "to": "22:00"}], "default"`, field: `schedule.operating[0].days: "MO-FRI"`},
	{name: "operating from nowhere", old: `"default"`, new: `"operating": [{"to": "22:00"}], "default"`, field: "schedule.operating[0].from"},
	{name: "operating from midnight's other name", old: `"default"`, new: `"operating": [{"from": "24:00", "to": "22:00"}], "default"`, field: "schedule.operating[0].from"},
	{name: "operating to a short hour", old: `"default"`, new: `"operating": [{"from": "07:00", "to": "9:00"}], "default"`, field: `schedule.operating[0].to: "9:00"`},
	{name: "operating to the minute after midnight", old: `"default"`, new: `"operating": [{"from": "07:00", "to": "24:01"}], "default"`, field: "schedule.operating[0].to", beyond: true},
	{name: "closed on no day", old: `"default"`, new: `"closed": ["2026-12-25", "christmas"], "default"`, field: `schedule.closed[1]: "christmas"`},
	{name: "closed on a day that isn't", old: `"default"`, new: `"closed": ["2026-02-30"], "default"`, field: "schedule.closed[0]", beyond: true},
	{name: "rotation", old: `"default"`, new: `"rotation": 60.5, "default"`},
	{name: "rotation too quick", old: `"default"`, new: `"rotation": 5, "default"`, field: "schedule.rotation"},
	{name: "recurring event", old: `12:30:00.5Z", "priority": -5`, new: `12:30:00", "rrule": "FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20271231", "exdates": ["2026-11-30", "2026-12-07T11:30:00"]`},
	{name: "recurring event of nothing", old: `"priority": -5`, new: `"rrule": ""`},
	{name: "recurring event in capitals", old: `"priority": -5`, new: `"RRule": "FREQ=DAILY"`, field: "schedule.events[0].RRule", beyond: true},
	{name: "recurring event of a wrong rule", old: `"priority": -5`, new: `"rrule": "FREQ=DAILY;BYDAY=XX"`, field: `schedule.events[0].rrule: BYDAY: "XX"`, beyond: true},
	{name: "recurring event of no rule", old: `"priority": -5`, new: `"rrule": "every day"`, field: "schedule.events[0].rrule"},
	{name: "recurring event that never comes", old: `"priority": -5`, new: `"rrule": "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30"`, field: "schedule.events[0].rrule: no time fits it", beyond: true},
	{name: "recurring event without end", old: `"end": "2026-11-23T12:30:00.5Z", "priority": -5`, new: `"rrule": "FREQ=DAILY"`, field: "schedule.events[0].rrule: needs a start and an end"},
	{name: "recurring event of two years", old: `"2026-11-23T12:30:00.5Z", "priority": -5`, new: `"2028-11-23T12:30:00Z", "rrule": "FREQ=DAILY"`, field: "schedule.events[0].end", beyond: true},
	{name: "exception that is none", old: `"priority": -5`, new: `"rrule": "FREQ=DAILY", "exdates": ["monday"]`, field: `schedule.events[0].exdates[0]: "monday"`},
	{name: "exception of what doesn't recur", old: `"priority": -5`, new: `"exdates": ["2026-12-25"]`, field: "schedule.events[0].exdates", beyond: true},
	{name: "dayparts", old: `"priority": -5`, new: `"dayparts": [{"from": "07:00", "to": "09:30:30"}]`},
	{name: "dayparts of all time", old: `"start": "2026-11-23T11:30:00", "end": "2026-11-23T12:30:00.5Z", "priority": -5`, new: `"dayparts": [{"from": "22:00", "to": "06:00"}], "exdates": ["2026-12-25"]`},
	{name: "daypart of no day", old: `"priority": -5`, new: `"dayparts": [{"days": "", "from": "07:00", "to": "09:30"}, {"days": "MO FR", "from": "07:00", "to": "09:30"}]`, field: "schedule.events[0].dayparts[1].days"},
	{name: "share", old: `"priority": -5`, new: `"share": 30`},
	{name: "share of too much", old: `"priority": -5`, new: `"share": 1001`, field: "schedule.events[0].share"},
	{name: "interrupt", old: `"priority": -5`, new: `"interrupt": {"every": 900, "seconds": 30}`},
	{name: "interrupt that never ends", old: `"priority": -5`, new: `"interrupt": {"every": 900, "seconds": 900}`, field: "schedule.events[0].interrupt.seconds", beyond: true},
	{name: "interrupt of no period", old: `"priority": -5`, new: `"interrupt": {"seconds": 30}`, field: "schedule.events[0].interrupt.every"},
	{name: "interrupt with a share", old: `"priority": -5`, new: `"share": 3, "interrupt": {"every": 900, "seconds": 30}`, field: "schedule.events[0].interrupt: an event with a share", beyond: true},
	{name: "events an object", old: `"events": [
  {"presentation": "lunch", "start": "2026-11-23T11:30:00", "end": "2026-11-23T12:30:00.5Z", "priority": -5}]`, new: `"events": {}`, field: "schedule.events: an object"},
	{name: "event a text", old: `"events": [`, new: `"events": ["lunch", `, field: `schedule.events[0]: "lunch"`},
	{name: "event unknown", old: `"presentation": "lunch"`, new: `"presentation": "x"`, field: "schedule.events[0].presentation", beyond: true},
	{name: "event priority", old: `-5`, new: `1001`, field: "schedule.events[0].priority"},
	{name: "event without end", old: `"end": "2026-11-23T12:30:00.5Z", `},
	{name: "event without start", old: `"start": "2026-11-23T11:30:00", `},
	{name: "event with an end that is none", old: `"2026-11-23T12:30:00.5Z"`, new: `"later"`, field: "schedule.events[0].end"},
	{name: "event ends as it starts", old: `12:30:00.5Z`, new: `10:30:00Z`, field: "schedule.events[0].end", beyond: true},
	{name: "event with a short hour", old: `T11:30:00`, new: `T1:30:00`, field: "schedule.events[0].start"},
	{name: "event with a comma", old: `T11:30:00`, new: `T11:30:00,5`, field: "schedule.events[0].start"},
	{name: "event on a day that isn't", old: `2026-11-23T11`, new: `2026-02-30T11`, field: "schedule.events[0].start", beyond: true},
	{name: "sync without group", old: `"group": "wall-1"`, field: "sync.group"},
}
