package server

import (
	"fmt"
	"net"
	"sync"
	"time"

	"vitrine/agent/protocol"
)

// machineSilent is for how long the machine of a viewer must have been silent for another one to be taken as its replacement, with the same disk.
const machineSilent = 10 * time.Minute

// A machine is a copy for certain if the other one was heard of so long after it was first refused, in one session: one that was cut without a word is noticed
// sooner, and a machine whose adapter comes and goes begins another. The other one must have been silent for copySilent then, since it may only be switched off for the night, or the weekend.
const (
	copyCertain = 5 * time.Minute
	copySilent  = 3 * 24 * time.Hour
)

// maxRefused bounds the machines of an identity that are remembered for having been refused.
const maxRefused = 100

// A machine is one that uses a viewer's identity.
type machine struct {
	Fingerprint string    `json:"fingerprint"`
	Peer        string    `json:"peer,omitempty"`
	Seen        time.Time `json:"seen"`
	// refused is when each other machine was first refused since this one last connected, by its fingerprint.
	refused map[string]time.Time
}

// silence is for how long this machine must have been silent for another one to be taken in its place.
func (m machine) silence(other string) time.Duration {
	if first, ok := m.refused[other]; ok && m.Seen.Sub(first) > copyCertain {
		return copySilent
	}
	return machineSilent
}

// refuse notes that another machine was refused.
func (m *machine) refuse(other string, now time.Time) {
	if m.refused == nil || len(m.refused) >= maxRefused {
		m.refused = map[string]time.Time{}
	}
	if _, before := m.refused[other]; !before {
		m.refused[other] = now
	}
}

// machines follows which machine uses which identity, so that copies of a disk are noticed. It is safe for concurrent use.
//
// The rule: an identity belongs to the machine that used it last. Another one is refused while that machine has a session or had one within
// machineSilent, and asks to be taken in as a viewer of its own. After that it is a box that was replaced and got the old one's disk, or the same one with
// another part in it, and the identity is its own; but for a copy that ran beside it. Either way the site has a fault to show.
type machines struct {
	mu     sync.Mutex
	known  map[string]machine
	faults map[string]cloneFault
}

// A cloneFault is shown until some time after the last machine that gave reason for it.
type cloneFault struct {
	protocol.Fault
	until time.Time
}

// How long the fault is shown of a machine that was refused, which tries again all the time, and of one that has the identity now.
const (
	refusedShown = time.Hour
	movedShown   = 24 * time.Hour
)

func newMachines() *machines {
	return &machines{known: map[string]machine{}, faults: map[string]cloneFault{}}
}

// A cloneError refuses the second of two machines.
type cloneError struct{ reason string }

func (e *cloneError) Error() string { return e.reason }

// connect notes that a machine wants a session as that viewer. online tells whether the viewer has one. moved is true if the identity is that machine's from
// now on, and was another's. The error is a *cloneError.
func (m *machines) connect(v Viewer, fingerprint, peer string, online bool, now time.Time) (moved bool, err error) {
	if fingerprint == "" {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	had, known := m.known[v.ID]
	if !known {
		// Since the server started; what it knew before is in the record.
		had = machine{Fingerprint: v.Device.Fingerprint}
	}
	if had.Fingerprint == "" || had.Fingerprint == fingerprint {
		m.known[v.ID] = machine{Fingerprint: fingerprint, Peer: peer, Seen: now}
		return false, nil
	}
	if online || known && now.Sub(had.Seen) < had.silence(fingerprint) {
		had.refuse(fingerprint, now)
		m.known[v.ID] = had
		m.fault(v, now, refusedShown, fmt.Sprintf("two machines use the identity of viewer %s, as copies of one disk do: the one at %s has it, the one at %s was refused and waits to be approved as a viewer of its own",
			v.Name, host(had.Peer), host(peer)))
		return false, &cloneError{fmt.Sprintf("another machine uses the identity of viewer %s: this disk is a copy of its disk", v.Name)}
	}
	m.known[v.ID] = machine{Fingerprint: fingerprint, Peer: peer, Seen: now}
	m.fault(v, now, movedShown, fmt.Sprintf("the disk of viewer %s, or a copy of it, is in another machine now, at %s; if the former one is still in use, revoke the viewer and approve both anew", v.Name, host(peer)))
	return true, nil
}

// fault notes a fault; m.mu is held.
func (m *machines) fault(v Viewer, now time.Time, shown time.Duration, message string) {
	f := m.faults[v.ID]
	if f.Message != message {
		f.Fault = protocol.Fault{Code: protocol.FaultCloned, Message: message, Since: now.UTC()}
	}
	f.until = now.Add(shown)
	m.faults[v.ID] = f
}

// forget makes whichever machine is next a viewer's: it was taken in anew.
func (m *machines) forget(viewer string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, viewer)
	delete(m.faults, viewer)
}

// host is where a machine is: its ports differ all the time.
func host(peer string) string {
	if h, _, err := net.SplitHostPort(peer); err == nil {
		return h
	}
	return "an unknown address"
}

// alive notes that the machine of a viewer was heard.
func (m *machines) alive(viewer string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if had, ok := m.known[viewer]; ok {
		had.Seen = now
		m.known[viewer] = had
	}
}

// of gives the fault of a viewer; ok is false if it has none.
func (m *machines) of(viewer string, now time.Time) (f protocol.Fault, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fault, ok := m.faults[viewer]
	return fault.Fault, ok && now.Before(fault.until)
}
