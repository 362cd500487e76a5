package flash

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPlaceholder(t *testing.T) {
	p := Placeholder()
	if len(p) != PlaceholderSize || !strings.HasPrefix(string(p), Marker) || strings.IndexFunc(string(p), func(r rune) bool { return r > '~' }) >= 0 {
		t.Errorf("%d bytes: %.200q", len(p), p)
	}
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"as in the image":      {string(p), true},
		"saved by an editor":   {"\ufeff" + strings.ReplaceAll(string(p[:2000]), "\n", "\r\n"), true},
		"a setting at its end": {string(p) + "name = \"a\"\n", false},
		"a setting in it":      {strings.Replace(string(p), "#   name", "name", 1), false},
		"other comments":       {"# name = \"a\"\n", false},
		"a longer marker":      {strings.TrimSuffix(Marker, "\n") + "s = 1\n", true}, // a comment all the same
		"nothing":              {"", false},
	} {
		if got := IsPlaceholder([]byte(c.text)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRoom(t *testing.T) {
	for _, settings := range []string{"name = \"a\"", "name = \"a\"\n", strings.Repeat("#", PlaceholderSize)} {
		got, err := room([]byte(settings))
		if err != nil || len(got) != PlaceholderSize || !bytes.HasPrefix(got, []byte(settings)) || len(bytes.Trim(got[len(settings):], "\n")) > 0 {
			t.Errorf("%.20q: %d bytes, %v", settings, len(got), err)
		}
	}
	if _, err := room(make([]byte, PlaceholderSize+1)); err == nil || !strings.Contains(err.Error(), "65537") {
		t.Error(err)
	}
}

// Wherever the pieces end in which an image comes, the place is found, and no text that only looks like it.
func TestFinder(t *testing.T) {
	image := make([]byte, 8*PlaceholderSize)
	copy(image[512:], Marker)                                                                         // a program that knows the marker
	copy(image[2*PlaceholderSize+7:], Placeholder())                                                  // not on a sector
	copy(image[4*PlaceholderSize-512:], Placeholder())                                                // the one
	copy(image[6*PlaceholderSize:], append(Placeholder()[:PlaceholderSize/2:PlaceholderSize/2], 'x')) // in two pieces
	copy(image[8*PlaceholderSize-1024:], Placeholder())                                               // cut off by the image's end
	for _, piece := range []int{512, 1536, PlaceholderSize, len(image)} {
		var f finder
		at := int64(0)
		for part := range slices.Chunk(image, piece) {
			f.look(at, part)
			at += int64(len(part))
		}
		if got, err := f.place(); err != nil || got != 4*PlaceholderSize-512 {
			t.Errorf("pieces of %d: %d, %v", piece, got, err)
		}
	}
	var none, two finder
	none.look(0, image[:PlaceholderSize])
	if _, err := none.place(); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
	two.look(0, slices.Concat(Placeholder(), Placeholder()))
	if _, err := two.place(); err == nil || !strings.Contains(err.Error(), "2 places") {
		t.Error(err)
	}
}
