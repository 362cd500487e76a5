package media

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Neither the name alone is believed nor the bytes.
func TestIdentifySounds(t *testing.T) {
	mp4 := "\x00\x00\x00\x10ftypM4A \x00\x00\x00\x00" + "\x00\x00\x00\x74moov\x00\x00\x00\x6cmvhd" + strings.Repeat("\x00", 12) + "\x00\x00\x03\xe8\x00\x00\x0f\xa0" + strings.Repeat("\x00", 80)
	for _, c := range []struct{ name, data, want string }{
		{"a.mp3", "ID3\x04rest", "audio/mpeg"},
		{"b.mp3", "\xff\xfb\x90rest", "audio/mpeg"},
		{"aac.mp3", "\xff\xf1\x50rest", ""},
		{"c.ogg", "OggS", "audio/ogg"},
		{"d.opus", "OggS", "audio/ogg"},
		{"e.flac", "fLaC", "audio/flac"},
		{"f.wav", "RIFF\x00\x00\x00\x00WAVE", "audio/wav"},
		{"g.wav", "RIFF\x00\x00\x00\x00WEBP", ""},
		{"h.m4a", mp4, "audio/mp4"},
		{"i.m4a", mp4[:16], ""},
		{"j.ogg", "ID3", ""},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		write(t, path, []byte(c.data))
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		item, err := identify(file, info)
		if item.Type != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.name, item.Type, err, c.want)
		}
		if c.name == "h.m4a" && item.Duration.Seconds() != 4 {
			t.Errorf("%s: %v", c.name, item.Duration)
		}
	}
}
