package agent

import (
	"slices"
	"strings"
	"sync"
	"time"

	"vitrine/agent/protocol"
)

// Codes of faults.
const (
	// faultContent is that the wanted programme can't be had.
	faultContent = "content"
	// faultDiskFull is that the wanted programme doesn't fit.
	faultDiskFull = "disk-full"
	// faultDiskFailing is that the disk loses what is on it, or takes nothing any more.
	faultDiskFailing = "disk-failing"
	// faultStick is that a USB stick brings nothing.
	faultStick = "usb-stick"
	// faultNetwork is that the machine's network can't be set up as the settings want it.
	faultNetwork = "network"
	// faultAuthority is that an authority of the settings can't be read.
	faultAuthority = "ca-file"
	// faultSystemClock is that the system clock can't be kept, though it is to be.
	faultSystemClock = "system-clock"
	// faultPlays is that proof of play can't be written.
	faultPlays = "plays"
	// faultBrowser is that the browser on the screen can't be run.
	faultBrowser = "browser"
	// faultScreen is that the screen doesn't show what it should, and faultWatchdog that the hardware watchdog can't be fed.
	faultScreen, faultWatchdog = "screen", "watchdog"
	// faultRolledBack is that a programme isn't followed, since it was rolled back.
	faultRolledBack = "rolled-back"
	// faultSettings is that the settings have changed and can't be used.
	faultSettings = "settings"
	// faultDisplay is that the display can't be switched, and faultStandby that the machine itself can't sleep, though it is to.
	faultDisplay = "display"
	faultStandby = "standby"
	// faultHours is that the viewer's own operating hours and the programme's never meet.
	faultHours = "operating-hours"
	// faultUpdate is that a release of the viewer isn't kept, or can't be had.
	faultUpdate = "update"
	// faultCloned is that another machine uses this viewer's identity.
	faultCloned = protocol.FaultCloned
)

// faults are what a technician should know at present, one for each code. It is safe for concurrent use.
type faults struct {
	mu    sync.Mutex
	known map[string]protocol.Fault
}

func newFaults() *faults { return &faults{known: map[string]protocol.Fault{}} }

// set notes a fault, or, with an empty message, that it is over. One of which something else is said is there since it was first said. It tells whether
// anything changed.
func (f *faults) set(code, message string, now time.Time) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, had := f.known[code]
	if message == "" {
		delete(f.known, code)
		return had
	}
	if had && old.Message == message {
		return false
	}
	if !had {
		old = protocol.Fault{Code: code, Since: now.UTC()}
	}
	old.Message = message
	f.known[code] = old
	return true
}

// list is sorted by code.
func (f *faults) list() []protocol.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]protocol.Fault, 0, len(f.known))
	for _, fault := range f.known {
		list = append(list, fault)
	}
	slices.SortFunc(list, func(a, b protocol.Fault) int { return strings.Compare(a.Code, b.Code) })
	return list
}

// fault notes what is wrong with one thing, or with a nil err that it is right again, and tells the server.
func (a *Agent) fault(code string, err error) {
	message := ""
	if err != nil {
		message = err.Error()
	}
	if !a.faults.set(code, message, a.clock.Now()) {
		return
	}
	if a.player != nil { // an agent that only works on its state has none
		a.player.SetFaults(len(a.faults.list()))
	}
	if a.session != nil {
		a.session.Report()
	}
}
