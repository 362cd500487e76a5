package player

import (
	"fmt"
	"time"

	"vitrine/agent/schedule"
	"vitrine/content/manifest"
)

// How far a page may be behind and ahead of the schedule: what it says is on its way for a moment, and items change.
const (
	lateBy  = 3 * time.Second
	earlyBy = time.Second
	// failureCounts is for how long an item counts as one that can't be shown, beyond a round of its playlist. A zone of which nothing works is tried
	// again every 5 s, and tells of one that doesn't answer within 20.
	failureCounts = 5 * time.Minute
)

// Differs says what a page shows in place of what should be on; empty if it shows the right thing, as far as that can be said. A zone of which an item
// couldn't be shown shows others in its place, and one whose items don't say how long they are on has no right one.
func (p *Player) Differs(page Page) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || p.current.state.Standby {
		return ""
	}
	now := p.cfg.Now()
	position := now
	if p.current.grouped() {
		position = p.cfg.Playout()
	}
	state := p.current.state
	shows, fails := false, false
	for _, z := range p.current.Manifest.Presentations[state.Presentation].Zones {
		if p.current.fails(state.Presentation, z) {
			fails = true
			continue
		}
		shown, ok := page.Shown[z.ID]
		if !ok {
			continue // of a kind that isn't told of, or on its way
		}
		shows = true
		if shown.Generation != p.current.Generation || shown.Presentation != state.Presentation {
			return fmt.Sprintf("the page shows the presentation %q of generation %s in the zone %q; %q of %s should be on",
				shown.Presentation, shown.Generation.Short(), z.ID, state.Presentation, p.current.Generation.Short())
		}
		if !due(z, state, position, now, shown) {
			right, _, _ := schedule.Position(z.Playlist, state.Anchor, position)
			return fmt.Sprintf("the page shows item %d in the zone %q of %q since %s; item %d should be on",
				shown.Item+1, z.ID, state.Presentation, shown.Since.Local().Format(time.TimeOnly), right+1)
		}
	}
	if !shows && !fails {
		return fmt.Sprintf("the page shows nothing; %q should be on", state.Presentation)
	}
	return ""
}

// due tells whether what a zone shows may be on around a moment: the right item, and in its present turn. One that stands still comes round to be the right
// one again. position is now by the clock that positions go by.
func due(z manifest.Zone, state schedule.State, position, now time.Time, shown Playing) bool {
	for _, off := range []time.Duration{0, -lateBy, earlyBy} {
		index, into, timed := schedule.Position(z.Playlist, state.Anchor, position.Add(off))
		if !timed {
			return true
		}
		if turn := now.Add(off - into); index == shown.Item && !shown.Since.Before(turn.Add(-earlyBy)) {
			return true
		}
	}
	return false
}

// fails tells whether an item of a zone couldn't be shown when it was last tried. Pages try each in every round: of one that wasn't shown since and didn't
// fail again either, nothing is known.
func (p *programme) fails(presentation string, z manifest.Zone) bool {
	counts := failureCounts
	for _, item := range z.Playlist {
		counts += time.Duration(item.Seconds * float64(time.Second))
	}
	for item, at := range p.failed {
		if item.presentation == presentation && item.zone == z.ID && time.Since(at) < counts {
			return true
		}
	}
	return false
}
