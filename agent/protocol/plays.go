package protocol

import (
	"fmt"
	"strings"
	"time"

	"vitrine/content/digest"
)

// Play is proof that an item was on a screen, once, as a page saw it: made when it was over.
type Play struct {
	// ID is a ULID. Whoever sees it twice has seen one play.
	ID string `json:"id"`
	// Start is when the item was there to be seen, by the viewer's clock; Trust is how far that clock was to be trusted when it was over.
	Start time.Time `json:"start"`
	Trust string    `json:"trust"`
	// Seconds is for how long it was there, and Complete whether that is as long as it should have been.
	Seconds  float64 `json:"seconds"`
	Complete bool    `json:"complete"`
	// Generation is the manifest that it is from, and Item its index in the zone's playlist.
	Generation   digest.Digest `json:"generation"`
	Presentation string        `json:"presentation"`
	Zone         string        `json:"zone"`
	Item         int           `json:"item"`
	Type         string        `json:"type"`
	Asset        digest.Digest `json:"asset,omitzero"`
	Name         string        `json:"name,omitempty"`
}

// Plays is a batch of plays, in the order in which they ended.
type Plays struct {
	Plays []Play `json:"plays"`
}

// MaxPlays is the largest batch.
const MaxPlays = 100

// CheckPlayID tells whether an id is a ULID, in capitals.
func CheckPlayID(id string) error {
	const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	if len(id) != 26 || id[0] > '7' || strings.Trim(id, crockford) != "" {
		return fmt.Errorf("%.40q is not a ULID", id)
	}
	return nil
}

// ParsePlays reads a `plays` message.
func ParsePlays(data []byte) (Plays, error) {
	var p Plays
	if err := decode("plays", data, &p); err != nil {
		return Plays{}, err
	}
	if len(p.Plays) > MaxPlays {
		return Plays{}, fmt.Errorf("plays: %d are more than the limit of %d", len(p.Plays), MaxPlays)
	}
	for i, play := range p.Plays {
		if err := CheckPlayID(play.ID); err != nil {
			return Plays{}, fmt.Errorf("plays[%d].id: %w", i, err)
		}
	}
	return p, nil
}
