package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A format is one kind of file that viewers can play.
type format struct {
	mediaType string
	endings   []string
	// matches tells by the first bytes.
	matches func(head []byte) bool
	// duration finds how long a video or sound is; nil for pictures, and for what doesn't say: the page plays that to its end.
	duration func(r io.ReaderAt, size int64) (time.Duration, error)
}

// headSize is how many bytes matches gets, if the file has so many.
const headSize = 64

// formats are all that is known. SVG is not among them: it may contain programs.
var formats = []format{
	{"image/jpeg", []string{".jpg", ".jpeg", ".jpe"}, startsWith("\xff\xd8\xff"), nil},
	{"image/png", []string{".png"}, startsWith("\x89PNG\r\n\x1a\n"), nil},
	{"image/gif", []string{".gif"}, startsWith("GIF8"), nil},
	{"image/webp", []string{".webp"}, func(h []byte) bool { return startsWith("RIFF")(h) && at(h, 8, "WEBP") }, nil},
	{"image/avif", []string{".avif"}, func(h []byte) bool { return at(h, 4, "ftypavif") }, nil},
	{"video/mp4", []string{".mp4", ".m4v"}, isMP4, mp4Duration},
	{"video/webm", []string{".webm"}, startsWith("\x1a\x45\xdf\xa3"), webmDuration},
	{"audio/mpeg", []string{".mp3"}, isMP3, nil},
	{"audio/ogg", []string{".ogg", ".oga", ".opus"}, startsWith("OggS"), nil},
	{"audio/flac", []string{".flac"}, startsWith("fLaC"), nil},
	{"audio/wav", []string{".wav"}, func(h []byte) bool { return startsWith("RIFF")(h) && at(h, 8, "WAVE") }, nil},
	{"audio/mp4", []string{".m4a"}, isMP4, mp4Duration},
}

func isMP4(head []byte) bool {
	return at(head, 4, "ftyp") && !at(head, 8, "avif") && !at(head, 8, "heic")
}

// isMP3 finds an ID3 tag, or the eleven bits at the beginning of each frame with those that say layer 3.
func isMP3(head []byte) bool {
	return at(head, 0, "ID3") || len(head) > 1 && head[0] == 0xff && head[1]&0xe6 == 0xe2
}

func startsWith(prefix string) func([]byte) bool {
	return func(head []byte) bool { return bytes.HasPrefix(head, []byte(prefix)) }
}

func at(head []byte, offset int, text string) bool {
	return len(head) >= offset+len(text) && string(head[offset:offset+len(text)]) == text
}

// identify says what a file is. The name alone isn't believed, nor are the bytes: a file whose ending says something else
// is more likely a mistake than a picture.
func identify(file *os.File, info fs.FileInfo) (Item, error) {
	ending := strings.ToLower(filepath.Ext(file.Name()))
	head := make([]byte, headSize)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Item{}, fmt.Errorf("it can't be read: %w", err)
	}
	head = head[:n]
	for _, f := range formats {
		named := contains(f.endings, ending)
		matches := f.matches(head)
		if named && !matches {
			return Item{}, fmt.Errorf("its name ends in %s, but it isn't %s; is it complete?", ending, f.mediaType)
		}
		if !named || !matches {
			continue
		}
		item := Item{Size: info.Size(), Type: f.mediaType, Modified: info.ModTime().UTC()}
		if f.duration != nil {
			if item.Duration, err = f.duration(file, info.Size()); err != nil {
				return Item{}, fmt.Errorf("its length can't be read: %w; is it complete?", err)
			}
		}
		return item, nil
	}
	return Item{}, errors.New("it is neither a picture (jpg, png, gif, webp, avif) nor a video (mp4, webm) nor a sound (mp3, ogg, opus, flac, wav, m4a)")
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}
