package remote

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a feed; a screen shows less.
const (
	maxFeed    = 2 << 20
	maxEntries = 50
	maxTitle   = 300
	maxSummary = 600
	// maxText is how much of one field is read, before markup is taken out.
	maxText  = 64 << 10
	maxDepth = 100
)

// A Feed is what a page shows of RSS or Atom.
type Feed struct {
	Title   string  `json:"title"`
	Entries []Entry `json:"entries"`
}

// An Entry is one piece of news, in plain text.
type Entry struct {
	Title   string `json:"title"`
	Summary string `json:"summary"`
}

// parse reads RSS 0.9 to 2.0 or Atom (RFC 4287). Feeds are seldom perfect XML: what can be read is taken, without markup.
func parse(data []byte) (Feed, error) {
	r := reader{decoder: xml.NewDecoder(bytes.NewReader(data))}
	r.decoder.Strict = false
	r.decoder.Entity = xml.HTMLEntity
	r.decoder.CharsetReader = charset
	for len(r.feed.Entries) < maxEntries {
		token, err := r.decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if len(r.feed.Entries) > 0 {
				break // the rest is lost
			}
			return Feed{}, fmt.Errorf("it can't be read: %w", err)
		}
		if err := r.take(token); err != nil {
			return Feed{}, err
		}
	}
	if !r.known {
		return Feed{}, errors.New("it is neither RSS nor Atom")
	}
	if len(r.feed.Entries) == 0 {
		return Feed{}, errors.New("there is no news in it")
	}
	return r.feed, nil
}

// A reader goes through a feed once.
type reader struct {
	decoder *xml.Decoder
	feed    Feed
	known   bool     // the first element is one of a feed
	path    []string // of elements that are open, with their prefixes
	field   int      // how deep the field is that is read; 0 means none
	text    strings.Builder
	entry   Entry
}

func (r *reader) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.open(name(t.Name))
	case xml.EndElement:
		r.close(name(t.Name))
	case xml.CharData:
		if r.field > 0 && r.text.Len() < maxText {
			r.text.Write(t)
		}
	}
	return nil
}

// name is that of an element without the prefixes that feeds have for their own elements; others keep theirs, so that media:title isn't taken
// for a title.
func name(n xml.Name) string {
	switch n.Space {
	case "", "rss", "atom", "rdf":
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func (r *reader) open(element string) error {
	if len(r.path) >= maxDepth {
		return errors.New("it is nested too deeply")
	}
	if len(r.path) == 0 {
		r.known = element == "rss" || element == "RDF" || element == "feed"
	}
	r.path = append(r.path, element)
	switch {
	case r.field > 0:
		r.text.WriteByte(' ') // markup within a field
	case element == "item" || element == "entry":
		r.entry = Entry{}
	case r.target(element) != nil:
		r.field = len(r.path)
		r.text.Reset()
	}
	return nil
}

// target is where the text of an element goes; nil for elements that don't matter.
func (r *reader) target(element string) *string {
	if len(r.path) < 2 {
		return nil
	}
	parent := r.path[len(r.path)-2]
	switch {
	case (parent == "channel" || parent == "feed") && element == "title":
		return &r.feed.Title
	case parent != "item" && parent != "entry":
		return nil
	case element == "title":
		return &r.entry.Title
	case element == "description" || element == "summary" || element == "content" && r.entry.Summary == "":
		return &r.entry.Summary
	}
	return nil
}

// close ends an element, and those in it that were left open.
func (r *reader) close(element string) {
	at := len(r.path) - 1
	for at >= 0 && r.path[at] != element {
		at--
	}
	if at < 0 {
		return
	}
	if r.field > at {
		r.path = r.path[:r.field]
		if into := r.target(r.path[r.field-1]); into != nil {
			*into = shorten(plain(r.text.String()), map[bool]int{true: maxSummary, false: maxTitle}[into == &r.entry.Summary])
		}
		r.field = 0
	}
	r.path = r.path[:at]
	if element != "item" && element != "entry" {
		return
	}
	if r.entry.Title == "" {
		r.entry = Entry{Title: shorten(r.entry.Summary, maxTitle)}
	}
	if r.entry.Title != "" {
		r.feed.Entries = append(r.feed.Entries, r.entry)
	}
	r.entry = Entry{}
}

// plain takes markup out of a text, which most feeds escape, and some escape twice.
func plain(s string) string {
	var out strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "<&")
		if i < 0 {
			out.WriteString(s)
			break
		}
		out.WriteString(s[:i])
		s = s[i:]
		if s[0] == '<' {
			end := strings.IndexByte(s, '>')
			if tag := len(s) > 1 && (s[1] == '/' || s[1] == '!' || unicode.IsLetter(rune(s[1]))); !tag || end < 0 {
				out.WriteByte('<')
				s = s[1:]
				continue
			}
			out.WriteByte(' ')
			s = s[end+1:]
			continue
		}
		text, length := entity(s)
		out.WriteString(text)
		s = s[length:]
	}
	return tidy(out.String())
}

// entity reads the character reference that s begins with, and gives its length.
func entity(s string) (text string, length int) {
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 2 {
		return "&", 1
	}
	name := s[1:end]
	if text, ok := xml.HTMLEntity[name]; ok {
		return text, end + 1
	}
	switch name {
	case "amp":
		return "&", end + 1
	case "lt":
		return "<", end + 1
	case "gt":
		return ">", end + 1
	case "quot":
		return `"`, end + 1
	case "apos":
		return "'", end + 1
	}
	number, base := strings.TrimPrefix(name, "#"), 10
	if number == name {
		return "&", 1
	}
	if hex := strings.TrimLeft(number, "xX"); hex != number {
		number, base = hex, 16
	}
	code, err := strconv.ParseUint(number, base, 21)
	if err != nil || !utf8.ValidRune(rune(code)) {
		return "&", 1
	}
	return string(rune(code)), end + 1
}

// tidy makes white space and what can't be written one space each.
func tidy(s string) string {
	s = strings.ToValidUTF8(s, " ")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsGraphic(r) && r != '\u200d'
	}), " ")
}

// shorten cuts a text behind a word.
func shorten(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	cut := string([]rune(s)[:most-1])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)/2 {
		cut = cut[:i]
	}
	return cut + "…"
}

// upper are the characters 0x80 to 0x9f of windows-1252, which is what declares itself as ISO 8859-1 as well.
var upper = []rune("€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ")

// charset reads the encodings that feeds have beside UTF-8.
func charset(label string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "iso-8859-1", "iso-8859-15", "latin1", "windows-1252", "cp1252":
	default:
		return nil, fmt.Errorf("its encoding is %.20q; feeds are read in UTF-8 and ISO 8859-1", label)
	}
	data, err := io.ReadAll(input)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, b := range data {
		switch {
		case b >= 0x80 && b < 0xa0:
			out.WriteRune(upper[b-0x80])
		case b == 0xa4 && strings.EqualFold(label, "iso-8859-15"):
			out.WriteRune('€')
		default:
			out.WriteRune(rune(b))
		}
	}
	return &out, nil
}
