// Package manifest defines the one document that tells a viewer everything it needs to play: schedule, presentations and
// the assets they use.
//
// It owns the manifest's form: reading it strictly, checking that it makes sense, and its signature. It does no I/O, never
// asks for the time, and doesn't decide what is on: that is package schedule's job.
package manifest

import (
	"time"

	"vitrine/content/digest"
)

// Version is the version of the manifest that this package reads and writes.
const Version = 1

// MaxSize is the largest manifest that Parse takes, in bytes. 10,000 assets need about 2 MiB.
const MaxSize = 8 << 20

// ContentType is the media type of a manifest over HTTP.
const ContentType = "application/vnd.vitrine.manifest+json"

// A Manifest is one immutable programme. It is named by the SHA-256 of its bytes, so it must be kept as bytes: marshalling
// it again may give it another name.
type Manifest struct {
	// Version is always 1.
	Version int `json:"version"`
	// ID is the publisher's name for this programme, for people: it need not be unique.
	ID string `json:"id"`
	// Issued is when the publisher made it.
	Issued time.Time `json:"issued"`
	// Timezone is the IANA zone that times without a zone are in; empty means UTC.
	Timezone string `json:"timezone,omitempty"`
	// Assets lists every file that the presentations use, and may list more.
	Assets map[digest.Digest]Asset `json:"assets"`
	// Presentations are the screen layouts, by name.
	Presentations map[string]Presentation `json:"presentations"`
	// Schedule says which of them is on when.
	Schedule Schedule `json:"schedule"`
	// Sync names the group of screens that must show the same thing at the same moment.
	Sync *Sync `json:"sync,omitempty"`
}

// An Asset is one file of content.
type Asset struct {
	// Size is the file's exact length in bytes.
	Size int64 `json:"size"`
	// Type is its media type, such as "image/jpeg".
	Type string `json:"type"`
	// Name is what a person calls it; it is never used as a path.
	Name string `json:"name,omitempty"`
	// URLs are further places to get it from (https only), beside the server that gave the manifest.
	URLs []string `json:"urls,omitempty"`
}

// A Presentation is a screen layout.
type Presentation struct {
	// Background is a CSS hex colour, "#rgb" or "#rrggbb"; empty means black.
	Background string `json:"background,omitempty"`
	// Zones are drawn in order, the later ones over the earlier.
	Zones []Zone `json:"zones"`
}

// A Zone is a rectangle of the screen with its own playlist. X, Y, W and H are percent of the screen.
type Zone struct {
	ID string  `json:"id"`
	X  float64 `json:"x"`
	Y  float64 `json:"y"`
	W  float64 `json:"w"`
	H  float64 `json:"h"`
	// Background is that of the zone, and Color that of what is written in it, as hex colours. Empty means the presentation's background, and
	// near-white or near-black, whichever can be read on it.
	Background string `json:"background,omitempty"`
	Color      string `json:"color,omitempty"`
	Playlist   []Item `json:"playlist"`
}

// Sync names a group of screens.
type Sync struct {
	Group string `json:"group"`
}
