package agent

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"vitrine/agent/player"
	"vitrine/agent/protocol"
	"vitrine/agent/schedule"
	"vitrine/platform/device"
	"vitrine/platform/network"
)

// Status is what `vitrine status` prints: the reported document, and what is only of interest on the machine itself.
type Status struct {
	protocol.Reported
	// Page is the address of the player page.
	Page string `json:"page"`
	// State is the state folder.
	State string `json:"state"`
	// PageClock is how well the page knows the viewer's time; nil if no page has measured it.
	PageClock *player.PageClock `json:"page_clock,omitempty"`
	// Later are settings that have changed, and count from the next start on.
	Later []string `json:"later,omitempty"`
	// Pairing is the code by which a person recognises this viewer when approving it.
	Pairing string `json:"pairing,omitempty"`
}

// Status is the viewer's present state.
func (a *Agent) Status() Status {
	r := a.report()
	r.Session = a.session.Status()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Reported: r, Page: "http://" + a.player.Addr() + "/", State: a.config.State, Later: a.later, Pairing: a.code}
	if c, ok := a.player.PageClock(); ok {
		s.PageClock = &c
	}
	return s
}

// report is the reported document, all but its session part.
func (a *Agent) report() protocol.Reported {
	r := protocol.Reported{
		Name:    a.name(),
		Version: a.config.Version,
		Started: a.started.UTC(),
		Clock:   a.clockStatus(),
		Playing: []protocol.Playing{},
		Faults:  a.faults.list(),
		Device:  a.machineNow(),
	}
	if e, ok := a.identity.Enrolment(); ok {
		r.Viewer, r.Site = e.Viewer, e.Site
	}
	r.Location, r.Labels = a.now().Location, a.now().Labels
	if active, ok := a.library.Active(); ok {
		r.Content = protocol.ContentStatus{Generation: active.Generation.Manifest, ID: active.Manifest.ID, Activated: active.Generation.Activated}
	}
	r.Plays.Waiting, r.Plays.Lost = a.plays.Status()
	if on, ok := a.player.On(); ok {
		r.Schedule = &protocol.ScheduleStatus{Presentation: on.Presentation, Standby: on.Standby, Since: on.Since, Until: on.Until}
		if on.Event != schedule.NoEvent {
			r.Schedule.Event = &on.Event
		}
	}
	r.Standby, r.Display = a.standbyStatus(), a.screen.Status()
	for _, p := range a.player.Playing() {
		r.Playing = append(r.Playing, p.Playing)
	}
	r.Browser = a.browserStatus()
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Update = a.updateStatus()
	r.Rev, r.Content.Sync = a.wish.Rev, a.sync
	return r
}

// name is what the site calls the viewer, or before that what it calls itself.
func (a *Agent) name() string {
	if e, ok := a.identity.Enrolment(); ok {
		return e.Name
	}
	return a.now().Name
}

// showState tells the page what its set-up screen and corner mark say.
func (a *Agent) showState() {
	s := a.session.Status()
	_, plays := a.player.On()
	a.mu.Lock()
	code, text := a.code, message(s, a.code, plays, a.sync)
	if time.Now().Before(a.noticedUntil) {
		text = a.noticed
	}
	a.mu.Unlock()
	state := player.State{Name: a.name(), State: s.State, Message: text, Version: a.config.Version, Code: code}
	state.Interfaces = a.interfaces()
	if !s.Up() && !slices.ContainsFunc(state.Interfaces, func(i player.Interface) bool { return len(i.Addresses) > 0 }) {
		state.Message = "This machine has no address on any network. Is the cable plugged in, and does the network give addresses (DHCP)?"
	}
	a.player.SetState(state)
}

// interfaces are those by which the machine could be reached, also without an address: the cable may be in, and no DHCP server answer.
func (a *Agent) interfaces() []player.Interface {
	all, err := network.Interfaces()
	if err != nil {
		a.log.Debug("The machine's interfaces can't be listed", "err", err)
	}
	list := []player.Interface{}
	for _, i := range all {
		if !i.Up || i.Loopback || len(i.MAC) == 0 && len(i.Addrs) == 0 {
			continue
		}
		shown := player.Interface{Name: i.Name, MAC: i.MAC.String(), Addresses: []string{}}
		for _, p := range i.Addrs {
			if p.Addr().IsGlobalUnicast() {
				shown.Addresses = append(shown.Addresses, p.Addr().String())
			}
		}
		list = append(list, shown)
	}
	return list
}

// addresses are those by which the machine can be reached; none if they can't be known.
func (a *Agent) addresses() []netip.Addr {
	addrs, err := network.Addresses()
	if err != nil {
		a.log.Debug("The machine's addresses can't be listed", "err", err)
	}
	return addrs
}

// machineNow is what machine this is, with the addresses that it has at present.
func (a *Agent) machineNow() protocol.Device {
	d := a.device
	d.Addresses, d.Links = a.addresses(), a.links()
	return d
}

// maxLinks bounds what is reported of them: machines with containers have hundreds.
const maxLinks = 16

// links are the network interfaces by which others can reach and wake the machine.
func (a *Agent) links() []protocol.Link {
	interfaces, err := network.Interfaces()
	if err != nil {
		return nil // said by addresses
	}
	var links []protocol.Link
	for _, i := range interfaces {
		if !i.Up || i.Loopback || len(i.MAC) == 0 || len(i.Addrs) == 0 {
			continue
		}
		for _, mac := range []net.HardwareAddr{i.MAC, i.Permanent} { // asleep it has the one, switched off the other
			if len(mac) > 0 && len(links) < maxLinks {
				links = append(links, protocol.Link{Name: i.Name, MAC: mac.String(), Networks: i.Addrs})
			}
		}
	}
	return links
}

// message is what a session state means to the person in front of the screen.
func message(s protocol.SessionStatus, code string, plays bool, sync *protocol.SyncStatus) string {
	switch {
	case s.Up() && plays && sync == nil:
		return "Connected to " + s.Server + ". The programme is about to begin."
	case s.Up():
		return "Connected to " + s.Server + ". " + fetching(sync)
	case code != "":
		return "Approve this viewer at its site if the code there is the same."
	case s.State == protocol.StateSearching:
		return "Looking for a server on this network…"
	case s.State == protocol.StateEnrolling:
		return "Joining the site at " + s.Server + "…"
	case s.State == protocol.StateConnecting:
		return "Connecting to " + s.Server + "…"
	case s.Error != "":
		return "No server: " + s.Error
	}
	return "No server."
}

// fetching says how far the fetch of a programme is.
func fetching(s *protocol.SyncStatus) string {
	if s == nil || s.Bytes == 0 {
		return "Waiting for a programme."
	}
	text := fmt.Sprintf("Fetching the programme: %d of %d files, %d %%", s.FilesDone, s.Files, 100*s.BytesDone/s.Bytes)
	if s.Left > 0 {
		text += ", " + (time.Duration(s.Left) * time.Second).String() + " left"
	}
	return text + "."
}

// describe puts a machine into the protocol's form.
func describe(d device.Device) protocol.Device {
	p := protocol.Device{Hostname: d.Hostname, OS: d.OS, Arch: d.Arch, Model: d.Model, Serial: d.Serial, Fingerprint: d.Fingerprint}
	for _, mac := range d.MACs {
		p.MACs = append(p.MACs, mac.String())
	}
	return p
}
