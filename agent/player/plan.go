package player

import (
	"encoding/json"
	"errors"

	"vitrine/agent/schedule"
	"vitrine/content/digest"
)

// How far a plan looks ahead.
const (
	planDays    = 8
	planChanges = 2000
)

// ErrNothing says that there is no programme yet.
var ErrNothing = errors.New("player: there is no programme yet")

// A plan is a whole programme and what is on in the days to come, for a page that must go on, and begin again, with nobody to tell it.
type plan struct {
	Generation digest.Digest `json:"generation"`
	Now        millis        `json:"now"`
	Assets     []planAsset   `json:"assets"`
	// Presentations are what a page is told of each, but for the times, which come from the changes. On standby it is that of no name.
	Presentations map[string]programmeMessage `json:"presentations"`
	Changes       []planChange                `json:"changes"`
}

// planAsset is a file that the page may ask for.
type planAsset struct {
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
}

// planChange is what comes on at a moment; the first is what is on now.
type planChange struct {
	At           millis  `json:"at"`
	Presentation string  `json:"presentation"`
	Anchor       millis  `json:"anchor"`
	Until        *millis `json:"until,omitempty"`
}

// Plan is the present programme with all its files and what is on in the next eight days, as JSON. The error is ErrNothing before Show.
func (p *Player) Plan() ([]byte, error) {
	p.mu.Lock()
	if p.current == nil {
		p.mu.Unlock()
		return nil, ErrNothing
	}
	current, timetable, now := p.current, p.current.timetable, p.cfg.Now()
	p.mu.Unlock()
	all := plan{
		Generation: current.Generation, Now: millis(now), Assets: current.files(),
		Presentations: map[string]programmeMessage{"": messageOf(current, schedule.State{Standby: true})},
	}
	for name := range current.Manifest.Presentations {
		all.Presentations[name] = messageOf(current, schedule.State{Presentation: name})
	}
	for at, end := now, now.AddDate(0, 0, planDays); at.Before(end) && len(all.Changes) < planChanges; {
		on := timetable.At(at, true)
		all.Changes = append(all.Changes, planChange{millis(at), on.Presentation, millis(on.Anchor), optional(on.Until)})
		if !on.Until.After(at) {
			break
		}
		at = on.Until
	}
	return json.Marshal(all)
}

// files are the assets that the programme shows and that pages are given.
func (p *programme) files() []planAsset {
	files := []planAsset{}
	for _, d := range p.Manifest.Used() {
		asset := p.Manifest.Assets[d]
		if _, ok := playableType(asset.Type); ok {
			files = append(files, planAsset{d, asset.Size})
		}
	}
	return files
}
