package player

import (
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/schedule"
	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// A programme is a Programme with its timetable and what it says is on.
type programme struct {
	Programme
	timetable *schedule.Schedule
	state     schedule.State
	next      *schedule.State // what pages were told to expect after that; nil if nothing
	// failed are the items that the log has been told of, and when each failed last, by the monotonic clock; zero if it has been shown since.
	failed map[failedItem]time.Time
}

// grouped tells whether positions count by the clock that screens agree on.
func (p *programme) grouped() bool { return p.Manifest.Sync != nil }

// A failedItem is an item that a page couldn't show.
type failedItem struct {
	presentation, zone string
	item               int
}

// zone finds a zone of one of the programme's presentations.
func (p *programme) zone(presentation, id string) (manifest.Zone, bool) {
	for _, z := range p.Manifest.Presentations[presentation].Zones {
		if z.ID == id {
			return z, true
		}
	}
	return manifest.Zone{}, false
}

// item describes an item of a zone's playlist; false if there is none.
func (p *programme) item(presentation, zone string, index int) (Playing, bool) {
	z, ok := p.zone(presentation, zone)
	if !ok || index < 0 || index >= len(z.Playlist) {
		return Playing{}, false
	}
	asset := z.Playlist[index].Asset
	name := p.Manifest.Assets[asset].Name
	if asset.IsZero() {
		name = z.Playlist[index].URL
	}
	return Playing{
		Generation: p.Generation,
		Playing: protocol.Playing{
			Zone:         zone,
			Presentation: presentation,
			Item:         index,
			Asset:        asset,
			Name:         name,
		},
	}, true
}

// Playing is what is on, one entry for each zone of the presentation that is on, in the manifest's order: what a connected page last
// said it shows there, else what the schedule says should be on. It is empty before Show.
func (p *Player) Playing() []Playing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil
	}
	state := p.current.state
	var all []Playing
	for _, z := range p.current.Manifest.Presentations[state.Presentation].Zones {
		if shown, ok := p.shown(z.ID); ok {
			all = append(all, shown)
			continue
		}
		now := p.cfg.Now()
		position := now
		if p.current.grouped() {
			position = p.cfg.Playout()
		}
		index, into, timed := schedule.Position(z.Playlist, state.Anchor, position)
		planned, ok := p.current.item(state.Presentation, z.ID, index)
		if !ok {
			continue
		}
		planned.Since = state.Since
		if timed {
			planned.Since = now.Add(-into)
		}
		all = append(all, planned)
	}
	return all
}

// On is what the schedule says is on; false before Show.
func (p *Player) On() (schedule.State, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return schedule.State{}, false
	}
	return p.current.state, true
}

// shown is the newest report about a zone, of all pages. p.mu is held.
func (p *Player) shown(zone string) (Playing, bool) {
	var newest report
	for page := range p.open {
		if r, ok := page.shown[zone]; ok && r.at.After(newest.at) {
			newest = r
		}
	}
	return newest.Playing, !newest.at.IsZero()
}

// A report is what a page said it shows in a zone.
type report struct {
	Playing
	at time.Time // when it arrived, by the monotonic clock
}

// generation finds a programme that pages may still speak of: the present one or the one before. p.mu is held.
func (p *Player) generation(d digest.Digest) *programme {
	for _, known := range []*programme{p.current, p.previous} {
		if known != nil && known.Generation == d {
			return known
		}
	}
	return nil
}

// asset finds how the manifests describe an asset.
func (p *Player) asset(d digest.Digest) (manifest.Asset, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range []*programme{p.current, p.previous} {
		if known == nil {
			continue
		}
		if a, ok := known.Manifest.Assets[d]; ok {
			return a, true
		}
	}
	return manifest.Asset{}, false
}
