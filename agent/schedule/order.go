package schedule

import (
	"slices"
	"time"

	"vitrine/content/digest"
	"vitrine/content/manifest"
)

// maxAhead is how many changes of the schedule are looked at: what comes later can be fetched later.
const maxAhead = 200

// Order gives every asset that m's presentations use, each once, what is needed first first: in the order in which the presentations
// come on from t, and within one in the order of its playlists, side by side. It is for a manifest that New takes.
func (s *Schedule) Order(m *manifest.Manifest, t time.Time, trusted bool) []digest.Digest {
	var list []digest.Digest
	seen := map[digest.Digest]bool{}
	for _, name := range s.upcoming(m, t, trusted) {
		zones := m.Presentations[name].Zones
		longest := 0
		for _, z := range zones {
			longest = max(longest, len(z.Playlist))
		}
		for i := range longest {
			for _, z := range zones {
				if i < len(z.Playlist) && !z.Playlist[i].Asset.IsZero() && !seen[z.Playlist[i].Asset] {
					seen[z.Playlist[i].Asset] = true
					list = append(list, z.Playlist[i].Asset)
				}
			}
		}
	}
	return list
}

// upcoming are the names of all presentations, in the order in which they come on; those that don't are last.
func (s *Schedule) upcoming(m *manifest.Manifest, t time.Time, trusted bool) []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for range maxAhead {
		state := s.At(t, trusted)
		add(state.Presentation)
		if state.Until.IsZero() || len(names) == len(m.Presentations) {
			break
		}
		t = state.Until
	}
	add(s.fallback)
	rest := make([]string, 0, len(m.Presentations))
	for name := range m.Presentations {
		rest = append(rest, name)
	}
	slices.Sort(rest)
	for _, name := range rest {
		add(name)
	}
	return names
}
