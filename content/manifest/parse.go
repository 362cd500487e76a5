package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"

	"vitrine/content/digest"
)

// Parse reads a manifest and checks all of it. Fields that this version doesn't know are ignored; a name that
// is there twice, or in capitals, is an error. An error names the field, such as
// presentations.welcome.zones[1].playlist[3].seconds.
func Parse(data []byte) (*Manifest, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("manifest: %d bytes are more than the limit of %d", len(data), MaxSize)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("manifest: is not UTF-8")
	}
	var m Manifest
	err := json.Unmarshal(data, &m)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := checkForm(data, err != nil); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// Marshal checks a manifest and gives the bytes to publish: the same manifest always gives the same bytes.
func Marshal(m *Manifest) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(m, "", " ")
	if err == nil && len(data) > MaxSize {
		err = fmt.Errorf("manifest: %d bytes are more than the limit of %d", len(data), MaxSize)
	}
	return data, err
}

// Used lists the assets that the presentations show, each once, in the order in which they first appear.
func (m *Manifest) Used() []digest.Digest {
	seen := map[digest.Digest]bool{}
	var used []digest.Digest
	for item := range m.Items() {
		if !item.Asset.IsZero() && !seen[item.Asset] {
			seen[item.Asset] = true
			used = append(used, item.Asset)
		}
	}
	return used
}

// Items are those of all presentations, in the order of their names.
func (m *Manifest) Items() iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for _, name := range m.presentationNames() {
			for _, zone := range m.Presentations[name].Zones {
				for _, item := range zone.Playlist {
					if !yield(item) {
						return
					}
				}
			}
		}
	}
}
