package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"vitrine/agent/server/media"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// A layout is what an operator writes as programme.json into the media folder: a manifest that names files instead of digests.
// Without one, the folder fills the screen.
type layout struct {
	Timezone      string                        `json:"timezone,omitempty"`
	Presentations map[string]layoutPresentation `json:"presentations"`
	Schedule      manifest.Schedule             `json:"schedule"`
	Sync          *manifest.Sync                `json:"sync,omitempty"`
}

type layoutPresentation struct {
	Background string       `json:"background,omitempty"`
	Zones      []layoutZone `json:"zones"`
}

type layoutZone struct {
	ID         string       `json:"id"`
	X          float64      `json:"x"`
	Y          float64      `json:"y"`
	W          float64      `json:"w"`
	H          float64      `json:"h"`
	Background string       `json:"background,omitempty"`
	Color      string       `json:"color,omitempty"`
	Playlist   []layoutItem `json:"playlist"`
}

// layoutItem is an item of a manifest, or a file, or all files below a folder in their order; "." is the media folder itself. What is left out of
// seconds, fit and transition is as without a layout. Sound is played only where a volume is given: a folder may have music beside its pictures.
type layoutItem struct {
	manifest.Item
	File   string `json:"file,omitempty"`
	Folder string `json:"folder,omitempty"`
}

// The names in the layout of a folder that has none.
const (
	mainPresentation = "media"
	mainZone         = "main"
	// newPrefix is that of the presentations that show what has just come.
	newPrefix = "vitrine-new-"
)

func folderLayout() *layout {
	zone := layoutZone{ID: mainZone, W: 100, H: 100, Playlist: []layoutItem{{Folder: "."}}}
	return &layout{
		Presentations: map[string]layoutPresentation{mainPresentation: {Zones: []layoutZone{zone}}},
		Schedule:      manifest.Schedule{Default: mainPresentation},
	}
}

// readLayout reads programme.json; nothing is the layout of a folder that has none.
func readLayout(data []byte) (*layout, error) {
	if len(data) == 0 {
		return folderLayout(), nil
	}
	var l layout
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
			err = fmt.Errorf("line %d: %w", line, err)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the file ends before its last } or ]: it may not have been copied as a whole")
		}
		return nil, fmt.Errorf("%s: %w", media.ProgrammeFile, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: there is something after the end", media.ProgrammeFile)
	}
	for name := range l.Presentations {
		if strings.HasPrefix(name, newPrefix) {
			return nil, fmt.Errorf("%s: presentations.%.60s: names that begin with %q are the server's own", media.ProgrammeFile, name, newPrefix)
		}
	}
	return &l, nil
}

// A filler turns a layout into a manifest with the files that there are.
type filler struct {
	items   []media.Item
	seconds float64
	assets  map[digest.Digest]manifest.Asset
}

func (f *filler) presentation(path string, p layoutPresentation) (manifest.Presentation, error) {
	filled := manifest.Presentation{Background: p.Background}
	for i, z := range p.Zones {
		playlist, err := f.playlist(fmt.Sprintf("%s.zones[%d].playlist", path, i), z.Playlist)
		if err != nil {
			return filled, err
		}
		filled.Zones = append(filled.Zones, manifest.Zone{
			ID: z.ID, X: z.X, Y: z.Y, W: z.W, H: z.H, Background: z.Background, Color: z.Color, Playlist: playlist,
		})
	}
	return filled, nil
}

// playlist fills in files and folders. A playlist of empty folders says that they are.
func (f *filler) playlist(at string, list []layoutItem) ([]manifest.Item, error) {
	var filled []manifest.Item
	for i, item := range list {
		given := 0
		for _, there := range []bool{item.Type != "", item.File != "", item.Folder != ""} {
			if there {
				given++
			}
		}
		switch {
		case given != 1 || !item.Asset.IsZero():
			return nil, fmt.Errorf("%s[%d]: want one of file, folder and type", at, i)
		case item.Type != "":
			filled = append(filled, item.Item)
			continue
		}
		found := f.below(item.Folder, item.Volume > 0)
		if item.File != "" {
			if found = f.named(item.File); len(found) == 0 {
				return nil, fmt.Errorf("%s[%d].file: there is no picture, video or sound %.100q in the media folder", at, i, item.File)
			}
		}
		for _, m := range found {
			filled = append(filled, f.item(m, item.Item))
		}
	}
	if len(filled) == 0 && len(list) > 0 {
		filled = []manifest.Item{{Type: manifest.Text, Text: "Ready. Pictures and videos that are put into the media folder will play here.", Seconds: 60}}
	}
	return filled, nil
}

// within tells whether a file is below a folder of the media folder.
func within(file, folder string) bool {
	folder = path.Clean(folder)
	return folder == "." || strings.HasPrefix(file, folder+"/")
}

// below are the files in a folder; sounds only if they are wanted.
func (f *filler) below(folder string, sounds bool) []media.Item {
	var found []media.Item
	for _, m := range f.items {
		if folder != "" && within(m.Path, folder) && (sounds || !isSound(m)) {
			found = append(found, m)
		}
	}
	return found
}

func isSound(m media.Item) bool { return strings.HasPrefix(m.Type, "audio/") }

func (f *filler) named(file string) []media.Item {
	for _, m := range f.items {
		if m.Path == path.Clean(file) {
			return []media.Item{m}
		}
	}
	return nil
}

// item makes an item of a file.
func (f *filler) item(m media.Item, like manifest.Item) manifest.Item {
	f.assets[m.Digest] = manifest.Asset{Size: m.Size, Type: m.Type, Name: m.Name}
	item := like
	item.Asset = m.Digest
	switch {
	case isSound(m):
		item.Type, item.Seconds = manifest.Audio, m.Duration.Round(time.Millisecond).Seconds()
		return item
	case strings.HasPrefix(m.Type, "video/"):
		item.Type, item.Seconds = manifest.Video, m.Duration.Round(time.Millisecond).Seconds()
		return item
	}
	item.Type, item.Volume = manifest.Image, 0
	if item.Seconds == 0 {
		item.Seconds = f.seconds
	}
	if item.Transition == "" {
		item.Transition = manifest.Fade
	}
	return item
}

// announce is the default presentation with a file that has just come in the place of the folders that it is in; false if it is in none.
func (f *filler) announce(p layoutPresentation, filled manifest.Presentation, m media.Item) (manifest.Presentation, manifest.Item, bool) {
	if isSound(m) {
		return filled, manifest.Item{}, false // it has nothing to see
	}
	has := func(item layoutItem) bool { return item.Folder != "" && within(m.Path, item.Folder) }
	var one manifest.Item
	filled.Zones = slices.Clone(filled.Zones)
	found := false
	for i, z := range p.Zones {
		if at := slices.IndexFunc(z.Playlist, has); at >= 0 {
			one, found = f.item(m, z.Playlist[at].Item), true
			one.Transition = manifest.Fade
			filled.Zones[i].Playlist = []manifest.Item{one}
		}
	}
	return filled, one, found
}
