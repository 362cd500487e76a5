package agent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"vitrine/agent/player"
	"vitrine/agent/plays"
	"vitrine/agent/protocol"
)

// playsFolder is below the state folder.
const playsFolder = "plays"

// played keeps what a page has shown.
func (a *Agent) played(p player.Play) error {
	a.plays.Add(protocol.Play{
		ID: p.ID, Start: p.Start, Trust: a.clock.Trust().String(), Seconds: p.Length.Seconds(), Complete: p.Complete,
		Generation: p.Generation, Presentation: p.Presentation, Zone: p.Zone, Item: p.Item, Type: p.Type, Asset: p.Asset, Name: p.Name,
	})
	return nil
}

// ReadPlays reads the proof of play that is in a state folder, whether a viewer runs or not.
func ReadPlays(state string) ([]plays.Record, error) {
	dir := filepath.Join(state, playsFolder)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, errNoState(state)
	}
	return plays.List(dir)
}
