package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vitrine/content/digest"
)

// Parse reads a manifest and checks all of it. Fields that this version doesn't know are ignored, but for those that the
// protocol has and this version can't honour: without them the wrong thing would be on the screen, so that they are errors.
// So is a name that is there twice, or in capitals. An error names the field, such as
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
	for _, name := range m.presentationNames() {
		for _, zone := range m.Presentations[name].Zones {
			for _, item := range zone.Playlist {
				if !item.Asset.IsZero() && !seen[item.Asset] {
					seen[item.Asset] = true
					used = append(used, item.Asset)
				}
			}
		}
	}
	return used
}

// Times gives an event's start and end. Times without a zone are in loc; one that doesn't exist there, because clocks went
// forward, is read with the offset before the change, and one that exists twice is the first (RFC 5545, section 3.3.5).
func (e Event) Times(loc *time.Location) (start, end time.Time, err error) {
	if start, err = parseTime(e.Start, loc); err != nil {
		return start, end, fmt.Errorf("start: %w", err)
	}
	if end, err = parseTime(e.End, loc); err != nil {
		return start, end, fmt.Errorf("end: %w", err)
	}
	if !end.After(start) {
		return start, end, errors.New("end: must be after the start")
	}
	return start, end, nil
}

// localForm is RFC 3339 without a zone.
const localForm = "2006-01-02T15:04:05"

// parseTime is stricter than time.Parse, which takes a short hour and a decimal comma, as RFC 3339 doesn't.
func parseTime(s string, loc *time.Location) (time.Time, error) {
	strict := len(s) >= len(localForm) && s[len("2006-01-02T15")] == ':' && !strings.Contains(s, ",")
	if t, err := time.Parse(time.RFC3339, s); err == nil && strict {
		return t, nil
	}
	wall, err := time.Parse(localForm, s)
	if err != nil || !strict {
		return time.Time{}, fmt.Errorf("%.40q: want a time such as 2026-11-23T11:30:00, with or without a zone", s)
	}
	return resolve(wall, loc), nil
}

// resolve finds the moment of a wall-clock time. time.Date leaves open which of two offsets it takes around a change, so
// that both are tried: the larger offset, which is the earlier moment, is before a change back and after one forward.
func resolve(wall time.Time, loc *time.Location) time.Time {
	_, before := wall.Add(-24 * time.Hour).In(loc).Zone()
	_, after := wall.Add(24 * time.Hour).In(loc).Zone()
	for _, offset := range []int{max(before, after), min(before, after)} {
		t := wall.Add(-time.Duration(offset) * time.Second)
		if _, actual := t.In(loc).Zone(); actual == offset {
			return t.In(loc)
		}
	}
	return wall.Add(-time.Duration(before) * time.Second).In(loc)
}
