package manifest

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a manifest; each is far above what a screen needs, and keeps a bad one from filling the device.
const (
	maxAssets        = 100_000
	maxPresentations = 1_000
	maxZones         = 64
	maxItems         = 10_000
	maxEvents        = 10_000
	maxURLs          = 16
	maxName          = 256
	maxText          = 4_096
	maxURL           = 2_048
	maxAssetSize     = 1 << 40
	maxPriority      = 1_000
	maxShare         = 1_000
	minRotation      = 10
	// rounding is how far, in percent of the screen, a zone may reach over the edge: thirds don't add up exactly.
	rounding = 1e-6
)

// Validate checks everything that the types can't say. An error names the field.
func (m *Manifest) Validate() error {
	if m.Version != Version {
		return fmt.Errorf("version: %d is not %d, the one that this program knows", m.Version, Version)
	}
	if err := checkName("id", m.ID); err != nil {
		return err
	}
	if m.Issued.IsZero() {
		return errors.New("issued: is missing")
	}
	loc, err := m.Location()
	if err != nil {
		return err
	}
	if err := m.validateAssets(); err != nil {
		return err
	}
	if len(m.Presentations) == 0 || len(m.Presentations) > maxPresentations {
		return fmt.Errorf("presentations: %d of them; want 1 to %d", len(m.Presentations), maxPresentations)
	}
	for _, name := range m.presentationNames() {
		path := "presentations." + quoteName(name)
		if err := checkName(path, name); err != nil {
			return err
		}
		if err := m.validatePresentation(path, m.Presentations[name]); err != nil {
			return err
		}
	}
	if m.Sync != nil {
		if err := checkName("sync.group", m.Sync.Group); err != nil {
			return err
		}
	}
	return m.validateSchedule(loc)
}

// Location is the zone of times that have none.
func (m *Manifest) Location() (*time.Location, error) {
	loc, err := location(m.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	return loc, nil
}

func location(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New("\"Local\" would differ from viewer to viewer; use a name such as Europe/Amsterdam")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%.60q is not a name of the IANA database, such as Europe/Amsterdam", name)
	}
	return loc, nil
}

// presentationNames are sorted, so that errors and orders don't change from run to run.
func (m *Manifest) presentationNames() []string {
	return slices.Sorted(maps.Keys(m.Presentations))
}

func (m *Manifest) validateAssets() error {
	if len(m.Assets) > maxAssets {
		return fmt.Errorf("assets: %d are more than the limit of %d", len(m.Assets), maxAssets)
	}
	for d, a := range m.Assets {
		path := "assets." + d.String()
		switch {
		case d.IsZero():
			return errors.New("assets: an empty digest names nothing")
		case a.Size < 1 || a.Size > maxAssetSize:
			return fmt.Errorf("%s.size: %d is out of range", path, a.Size)
		case !isMediaType(a.Type):
			return fmt.Errorf("%s.type: %.60q is not a media type", path, a.Type)
		case len(a.URLs) > maxURLs:
			return fmt.Errorf("%s.urls: %d are more than the limit of %d", path, len(a.URLs), maxURLs)
		}
		if err := checkText(path+".name", a.Name, maxName); err != nil {
			return err
		}
		for i, raw := range a.URLs {
			u, err := url.Parse(raw)
			if err != nil || u.Scheme != "https" || u.Hostname() == "" || len(raw) > maxURL {
				return fmt.Errorf("%s.urls[%d]: want an https address", path, i)
			}
		}
	}
	return nil
}

func (m *Manifest) validatePresentation(path string, p Presentation) error {
	if p.Background != "" && !isColour(p.Background) {
		return fmt.Errorf("%s.background: %.20q is not a colour such as #102030", path, p.Background)
	}
	if len(p.Zones) == 0 || len(p.Zones) > maxZones {
		return fmt.Errorf("%s.zones: %d of them; want 1 to %d", path, len(p.Zones), maxZones)
	}
	seen := map[string]bool{}
	for i, z := range p.Zones {
		zone := fmt.Sprintf("%s.zones[%d]", path, i)
		if err := checkName(zone+".id", z.ID); err != nil {
			return err
		}
		if seen[z.ID] {
			return fmt.Errorf("%s.id: there are two zones called %q", zone, z.ID)
		}
		seen[z.ID] = true
		if err := m.validateZone(zone, z); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) validateZone(path string, z Zone) error {
	// Written so that NaN, which no comparison finds, is refused too.
	inside := z.X >= 0 && z.Y >= 0 && z.W > 0 && z.H > 0 && z.X+z.W <= 100+rounding && z.Y+z.H <= 100+rounding
	if !inside {
		return fmt.Errorf("%s: x, y, w and h must make a rectangle within 0 to 100 percent of the screen", path)
	}
	for name, colour := range map[string]string{"background": z.Background, "color": z.Color} {
		if colour != "" && !isColour(colour) {
			return fmt.Errorf("%s.%s: %.20q is not a colour such as #102030", path, name, colour)
		}
	}
	if len(z.Playlist) == 0 || len(z.Playlist) > maxItems {
		return fmt.Errorf("%s.playlist: %d items; want 1 to %d", path, len(z.Playlist), maxItems)
	}
	for i, item := range z.Playlist {
		if err := m.validateItem(fmt.Sprintf("%s.playlist[%d]", path, i), item); err != nil {
			return err
		}
	}
	return nil
}

// checkName checks a name that people give and machines compare.
func checkName(path, s string) error {
	if s == "" {
		return fmt.Errorf("%s: is missing", path)
	}
	return checkText(path, s, maxName)
}

// checkText refuses what is too long and what could forge a line in a log.
func checkText(path, s string, limit int) error {
	if err := plain(s, limit); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func plain(s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%d bytes are more than the limit of %d", len(s), limit)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return errors.New("has control characters")
	}
	return nil
}

// isMediaType tells whether s is a media type, perhaps with parameters (RFC 9110, section 8.3.1).
func isMediaType(s string) bool {
	name, _, err := mime.ParseMediaType(s)
	return err == nil && strings.Contains(name, "/") && checkText("", s, maxName) == nil
}

// isColour tells whether s is a CSS hex colour of three or six digits.
func isColour(s string) bool {
	digits, ok := strings.CutPrefix(s, "#")
	return ok && (len(digits) == 3 || len(digits) == 6) && strings.Trim(digits, "0123456789abcdefABCDEF") == ""
}

// quoteName keeps a name from breaking an error message.
func quoteName(name string) string {
	if len(name) > 80 { // a digest must still fit
		name = name[:80] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, name)
}
