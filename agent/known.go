package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/platform/atomicfile"
)

// KnownFile has, in the state folder, the viewers that this one has seen: one that sleeps answers nobody, and can be woken by what is in it.
const KnownFile = "known.json"

// Known are hardware addresses of viewers, by the viewers' names.
type Known map[string][]string

// maxKnown bounds what is remembered: anybody can announce a viewer.
const maxKnown = 1024

// ReadKnown reads a file of them; one that can't be read has none.
func ReadKnown(path string) Known {
	k := Known{}
	if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &k) != nil {
		k = Known{}
	}
	return k
}

// Add remembers what a viewer announces, and tells whether that is news.
func (k Known) Add(says protocol.Announced) bool {
	_, old := k[says.Name]
	if says.Name == "" || len(says.MACs) == 0 || slices.Equal(k[says.Name], says.MACs) || !old && len(k) >= maxKnown {
		return false
	}
	k[says.Name] = says.MACs
	return true
}

// Write writes the file.
func (k Known) Write(path string) error { return atomicfile.WriteJSON(path, k, 0o644) }

// remember keeps how a viewer can be woken.
func (a *Agent) remember(d discovery.Device) {
	says, _ := protocol.ParseScopes(d.Scopes)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known.Add(says) {
		a.knownNew = true
	}
}

// keepKnown writes the file, if it is behind. That is done after a look around, and not for every announcement.
func (a *Agent) keepKnown() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.knownNew {
		return
	}
	a.knownNew = false
	if err := a.known.Write(filepath.Join(a.config.State, KnownFile)); err != nil {
		a.log.Debug("The other viewers can't be kept on disk", "err", err)
	}
}
