package flash

import (
	"bytes"
	"fmt"
)

// Marker is the first line of the file vitrine.toml in the boot partition of an image, as long as nobody has put settings there.
const Marker = "# vitrine-placeholder-1: there are no settings in this file yet\n"

// PlaceholderSize is the length of that file, in bytes: room for the longest settings (config.MaxSize).
const PlaceholderSize = 64 << 10

// alignment is what the file begins at a multiple of, in every image: a sector.
const alignment = 512

// hint is for whoever opens the file in an editor.
const hint = `#
# You can replace this text by yours, with any editor, before the card goes into the player, for example:
#
#   name = "Lobby"
#   token = "vitrine1...."
#
# or have it written when the card is: vitrine flash --settings vitrine.toml IMAGE DEVICE
# Without settings the viewer shows a code on its screen, by which a server takes it in.
`

// Placeholder is the whole file as it is in an image: without settings, filled up with blank lines. It has to be there in one piece, from a multiple of
// 512 bytes on.
func Placeholder() []byte { return fill([]byte(Marker + hint)) }

// fill puts blank lines behind a text.
func fill(text []byte) []byte {
	return append(bytes.Clone(text), bytes.Repeat([]byte("\n"), PlaceholderSize-len(text))...)
}

// IsPlaceholder tells whether a file vitrine.toml is still without settings. One to which somebody has added a setting isn't, whatever is left of the text.
func IsPlaceholder(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // from an editor that was closed with "save"
	if !bytes.HasPrefix(data, bytes.TrimSpace([]byte(Marker))) {
		return false
	}
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// room is what is written over the placeholder so that the file has these settings; it says so if they don't fit.
func room(settings []byte) ([]byte, error) {
	if len(settings) > PlaceholderSize {
		return nil, fmt.Errorf("the settings have %d bytes, and an image has room for %d: leave something out, such as comments", len(settings), PlaceholderSize)
	}
	if len(settings) < PlaceholderSize && !bytes.HasSuffix(settings, []byte("\n")) {
		settings = append(bytes.Clone(settings), '\n')
	}
	return fill(settings), nil
}

// A finder looks for the placeholder in an image that passes by.
type finder struct {
	// begun are the places where the marker was, with what followed so far.
	begun []candidate
	// found are where a whole one is.
	found []int64
}

type candidate struct {
	at   int64
	text []byte
}

// look takes the next bytes of the image, which begin at a multiple of the alignment.
func (f *finder) look(at int64, data []byte) {
	begun := f.begun
	f.begun = nil
	for _, c := range begun {
		f.follow(c, data)
	}
	for i := 0; i < len(data); i += alignment {
		if bytes.HasPrefix(data[i:], []byte(Marker)) {
			f.follow(candidate{at: at + int64(i)}, data[i:])
		}
	}
}

// follow adds what comes next to a candidate. The marker alone is also in the programs that know it, such as this one.
func (f *finder) follow(c candidate, data []byte) {
	c.text = append(c.text, data[:min(len(data), PlaceholderSize-len(c.text))]...)
	switch {
	case len(c.text) < PlaceholderSize:
		f.begun = append(f.begun, c)
	case IsPlaceholder(c.text):
		f.found = append(f.found, c.at)
	}
}

// place is where the settings go.
func (f *finder) place() (int64, error) {
	switch len(f.found) {
	case 1:
		return f.found[0], nil
	case 0:
		return 0, ErrNoRoom
	}
	return 0, fmt.Errorf("the image has %d places for settings, at %v, and none of them can be told to be the right one; write it without --settings, and put the file onto its boot partition", len(f.found), f.found)
}
