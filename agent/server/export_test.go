package server

import (
	"time"

	"vitrine/agent/protocol"
)

// Machines are machines for tests.
type Machines struct{ *machines }

// Connect is connect.
func (m *Machines) Connect(v Viewer, fingerprint, peer string, online bool, now time.Time) error {
	if m.machines == nil {
		m.machines = newMachines()
	}
	return m.connect(v, fingerprint, peer, online, now)
}

// Of is of.
func (m *Machines) Of(viewer string, now time.Time) (protocol.Fault, bool) { return m.of(viewer, now) }
