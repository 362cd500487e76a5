package manifest

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"vitrine/content/digest"
)

// The types of a playlist item.
const (
	Image  = "image"
	Video  = "video"
	Audio  = "audio"
	Text   = "text"
	Ticker = "ticker"
	Clock  = "clock"
	Web    = "web"
	Feed   = "feed"
	Stream = "stream"
)

// The ways in which a picture or video fills its zone, as CSS object-fit has them.
const (
	Contain   = "contain"
	Cover     = "cover"
	Fill      = "fill"
	None      = "none"
	ScaleDown = "scale-down"
)

// The transitions into an item.
const (
	Cut   = "cut"
	Fade  = "fade"
	Slide = "slide"
)

// An Item is one entry of a playlist. Which fields it may have depends on its type.
type Item struct {
	// Type is one of the constants above.
	Type string `json:"type"`
	// Asset is what an image, video or audio item plays.
	Asset digest.Digest `json:"asset,omitzero"`
	// Text is what a text item shows, and what runs through the zone in a ticker; plain text, never markup.
	Text string `json:"text,omitempty"`
	// URL is where a web page, a feed (RSS or Atom) or a live stream (HLS) is; http or https.
	URL string `json:"url,omitempty"`
	// Format is what a clock shows, in letters as Unicode's TR35 has them, such as "EEEE, d MMMM"; empty means "HH:mm". It may have lines.
	Format string `json:"format,omitempty"`
	// Timezone is a clock's IANA zone; empty means the manifest's.
	Timezone string `json:"timezone,omitempty"`
	// Language is that of the names of days and months in a clock, such as "nl"; empty means English.
	Language string `json:"language,omitempty"`
	// Speed is how fast a ticker or feed runs, in percent of the zone's width per second, 1 to 100; 0 means 8.
	Speed float64 `json:"speed,omitempty"`
	// Volume is how loud a video, audio or stream item is, in percent; 0 means silent, which an audio item can't be.
	Volume int `json:"volume,omitempty"`
	// Seconds is how long it is on, 0.1 to 86,400. A video or audio item may leave it out: it then plays to its end, and the position in a
	// playlist with such an item depends on when the playlist started, not on the clock.
	Seconds float64 `json:"seconds,omitempty"`
	// Fit is one of the constants above; empty means Contain.
	Fit string `json:"fit,omitempty"`
	// Transition is one of the constants above; empty means Cut.
	Transition string `json:"transition,omitempty"`
	// TransitionSeconds is how long the transition takes, 0.1 to 10; 0 means 0.8. It is never more than half of Seconds.
	TransitionSeconds float64 `json:"transition_seconds,omitempty"`
}

const (
	minSeconds    = 0.1
	maxSeconds    = 86_400
	maxTransition = 10
	maxSpeed      = 100
	maxVolume     = 100
	maxFormat     = 100
)

// kinds are the types with the fields that each may have, beside those that all may have.
var kinds = map[string][]string{
	Image:  {"asset"},
	Video:  {"asset", "volume"},
	Audio:  {"asset", "volume"},
	Text:   {"text"},
	Ticker: {"text", "speed"},
	Clock:  {"format", "timezone", "language"},
	Web:    {"url"},
	Feed:   {"url", "speed"},
	Stream: {"url", "volume"},
}

// needed are the fields that an item must have if its type knows them.
var needed = []string{"asset", "text", "url"}

func (m *Manifest) validateItem(path string, item Item) error {
	fields, ok := kinds[item.Type]
	if !ok {
		names := slices.Sorted(maps.Keys(kinds))
		return fmt.Errorf("%s.type: this version of the viewer can't show %.40q; it knows %s", path, item.Type, strings.Join(names, ", "))
	}
	for _, field := range item.fields() {
		known := slices.Contains(fields, field.name)
		switch {
		case field.set && !known:
			return fmt.Errorf("%s.%s: an item of the type %s has none", path, field.name, item.Type)
		case !field.set && known && slices.Contains(needed, field.name):
			return fmt.Errorf("%s.%s: is missing", path, field.name)
		case !field.set || field.check == nil:
		default:
			if err := field.check(m, item); err != nil {
				return fmt.Errorf("%s.%s: %w", path, field.name, err)
			}
		}
	}
	if item.Type == Audio && item.Volume == 0 {
		return fmt.Errorf("%s.volume: is missing; sound is only heard from 1 to %d", path, maxVolume)
	}
	return item.validateCourse(path)
}

// A field is one that not every type has.
type field struct {
	name  string
	set   bool
	check func(*Manifest, Item) error
}

func (i Item) fields() []field {
	return []field{
		{"asset", !i.Asset.IsZero(), (*Manifest).checkAssetOf},
		{"text", i.Text != "", func(_ *Manifest, i Item) error { return checkLines(i.Text, maxText) }},
		{"url", i.URL != "", func(_ *Manifest, i Item) error { return CheckURL(i.URL) }},
		{"format", i.Format != "", func(_ *Manifest, i Item) error { return checkFormat(i.Format) }},
		{"timezone", i.Timezone != "", func(_ *Manifest, i Item) error { return checkZone(i.Timezone) }},
		{"language", i.Language != "", func(_ *Manifest, i Item) error { return checkLanguage(i.Language) }},
		{"speed", i.Speed != 0, func(_ *Manifest, i Item) error { return within(i.Speed, 1, maxSpeed) }},
		{"volume", i.Volume != 0, func(_ *Manifest, i Item) error { return within(float64(i.Volume), 1, maxVolume) }},
	}
}

// validateCourse checks how long an item is on, and how it comes.
func (i Item) validateCourse(path string) error {
	open := (i.Type == Video || i.Type == Audio) && i.Seconds == 0
	if err := within(i.Seconds, minSeconds, maxSeconds); err != nil && !open {
		return fmt.Errorf("%s.seconds: %w", path, err)
	}
	if err := oneOf(i.Fit, Contain, Cover, Fill, None, ScaleDown); err != nil {
		return fmt.Errorf("%s.fit: %w", path, err)
	}
	if err := oneOf(i.Transition, Cut, Fade, Slide); err != nil {
		return fmt.Errorf("%s.transition: %w", path, err)
	}
	if err := within(i.TransitionSeconds, minSeconds, maxTransition); err != nil && i.TransitionSeconds != 0 {
		return fmt.Errorf("%s.transition_seconds: %w", path, err)
	}
	return nil
}

// within refuses what isn't from least to most, also NaN, which no comparison finds.
func within(v, least, most float64) error {
	if !(v >= least && v <= most) {
		return fmt.Errorf("%v is not between %v and %v", v, least, most)
	}
	return nil
}

// oneOf refuses what is neither empty nor in the list.
func oneOf(s string, list ...string) error {
	if s != "" && !slices.Contains(list, s) {
		return fmt.Errorf("%.20q is not one of %s", s, strings.Join(list, ", "))
	}
	return nil
}

func (m *Manifest) checkAssetOf(item Item) error {
	asset, ok := m.Assets[item.Asset]
	if !ok {
		return fmt.Errorf("%s is not in the list of assets", item.Asset)
	}
	if !strings.HasPrefix(asset.Type, item.Type+"/") {
		return fmt.Errorf("is of type %s, which is no %s", asset.Type, item.Type)
	}
	return nil
}

// CheckURL refuses what isn't the address of something on the web. Its host is put into policies that browsers follow, so that it
// must have nothing in it that means something there.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Opaque != "" || len(s) > maxURL || strings.ContainsAny(s, " \t\r\n\"'<>\\") {
		return errors.New("want an address that begins with http:// or https://")
	}
	if u.User != nil {
		return errors.New("an address with a password in it would be on every screen's log")
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	if host := u.Hostname(); host == "" || strings.Trim(host, letters+"._-:") != "" || strings.Contains(host, ":") != strings.HasPrefix(u.Host, "[") {
		return fmt.Errorf("%.60q is not the name of a host; write names in other letters in their xn-- form", host)
	}
	return nil
}

// Origin is the scheme, host and port of a URL that CheckURL takes.
func Origin(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func checkZone(name string) error {
	_, err := location(name)
	return err
}

// checkLanguage takes the common forms of RFC 5646, such as nl, pt-BR and zh-Hant.
func checkLanguage(s string) error {
	for i, part := range strings.Split(s, "-") {
		letters := strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
		if i == 0 && (letters != "" || len(part) > 3) || i > 0 && strings.Trim(letters, "0123456789") != "" || len(part) < 2 || len(part) > 8 {
			return fmt.Errorf("%.20q is not a language such as nl or pt-BR", s)
		}
	}
	return nil
}

// formats are the runs of letters that a clock's format may have; the page's clock-item.js has the same.
var formats = strings.Fields("H HH h hh m mm s ss a d dd E EEEE M MM MMM MMMM yy yyyy")

// checkFormat checks a clock's format. Text that isn't to be read as letters of the format is in 'quotes'.
func checkFormat(s string) error {
	if err := checkLines(s, maxFormat); err != nil {
		return err
	}
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			continue
		}
		for run := range strings.SplitSeq(spread(part), "\x00") {
			if run != "" && !slices.Contains(formats, run) {
				return fmt.Errorf("it has no %.20q; known are %s, and text in 'quotes'", run, strings.Join(formats, " "))
			}
		}
	}
	if strings.Count(s, "'")%2 == 1 {
		return errors.New("a quote isn't closed")
	}
	return nil
}

// spread puts a NUL around each run of one letter, in place of what isn't a letter.
func spread(s string) string {
	var out strings.Builder
	last := rune(0)
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter || r != last {
			out.WriteByte(0)
		}
		if letter {
			out.WriteRune(r)
		}
		last = r
	}
	return out.String()
}

// checkLines is plain for what may have line breaks.
func checkLines(s string, limit int) error {
	return plain(strings.ReplaceAll(s, "\n", " "), limit)
}
