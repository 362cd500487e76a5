package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/provision"
	"vitrine/platform/atomicfile"
	"vitrine/platform/clock/system"
	"vitrine/platform/network/setup"
)

// trialFile has how the network was before settings that are being tried.
const trialFile = "network-trial.json"

// A trial is one of network settings. It is over when the settings with that digest are kept; until then it is undone at the next start.
type trial struct {
	Digest string       `json:"digest"`
	Change setup.Change `json:"change"`
}

const (
	// trialTime is how long the network has to come up with other settings: wireless networks, and DHCP, take their time.
	trialTime = time.Minute
	// undoTime bounds the way back.
	undoTime = 2 * time.Minute
)

// theSystem is this machine, as far as its network is concerned.
var theSystem = setup.System{Root: "/"}

// linkOf is a connection in the words of platform/network/setup; ok is false if the settings say nothing of it.
func linkOf(c config.Network) (s setup.Settings, ok bool) {
	l := c.Link
	if l == nil {
		return s, false
	}
	s = setup.Settings{Interface: l.Interface, Address: l.Address, Gateway: l.Gateway, DNS: l.DNS}
	if w := l.WiFi; w != nil {
		s.SSID, s.Key, s.Country, s.Hidden = w.SSID, w.Key.Reveal(), w.Country, w.Hidden
	}
	return s, true
}

// tryLink connects the machine as settings want it. What can't be used, or leads nowhere, is put back.
func (a *Agent) tryLink(ctx context.Context, f *provision.File) error {
	link, ok := linkOf(f.Config.Network)
	if !ok {
		return nil
	}
	if current, err := theSystem.Current(link); current || err != nil {
		return err
	}
	a.log.Info("The machine's network is set up as the new settings want it")
	a.notice("Trying the new network settings. This can take a minute…")
	var change setup.Change
	err := theSystem.Apply(ctx, link, func(c setup.Change) error {
		change = c
		return atomicfile.WriteJSON(a.trialPath(), trial{f.Digest(), c}, 0o600)
	})
	if err == nil {
		err = theSystem.Await(ctx, link, func() []string { return a.hostsOf(f.Config) }, trialTime)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, setup.ErrNotAllowed):
		return errors.Join(err, a.endTrial())
	case len(change.Files) == 0:
		return fmt.Errorf("with these network settings: %w; nothing was changed", err)
	}
	if undone := a.undoTrial(change); undone != nil {
		return fmt.Errorf("with these network settings: %w; and those before can't be put back: %w", err, undone)
	}
	return fmt.Errorf("with these network settings: %w; the network is as it was before", err)
}

func (a *Agent) trialPath() string { return filepath.Join(a.config.State, trialFile) }

// maxHosts bounds how many servers are tried: anybody can be found.
const maxHosts = 32

// hostsOf are the "host:port" addresses of servers of which one should answer: those that are known, and those that are found on this network.
func (a *Agent) hostsOf(c config.Config) []string {
	hosts := slices.Clone(c.Servers)
	for _, s := range a.siteServers() {
		hosts = append(hosts, s.Addrs...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.found {
		if len(hosts)+len(f.session) <= maxHosts {
			hosts = append(hosts, f.session...)
		}
	}
	return hosts
}

// undoTrial puts the network back, also while the agent is told to end.
func (a *Agent) undoTrial(c setup.Change) error {
	ctx, cancel := context.WithTimeout(context.Background(), undoTime)
	defer cancel()
	if err := theSystem.Undo(ctx, c); err != nil {
		return err
	}
	return a.endTrial()
}

// endTrial forgets how the network was before.
func (a *Agent) endTrial() error {
	if err := os.Remove(a.trialPath()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// setMachine is for the start: a trial that was cut off is undone, and the machine is made what the settings say, also where that only lasts until it is
// switched off.
func (a *Agent) setMachine(ctx context.Context) {
	if err := a.restoreTrial(); err != nil {
		a.log.Error("The network settings before a trial that was cut off can't be put back", "err", err)
	}
	if zone := a.config.Zone; zone != nil {
		if err := system.SetZone(ctx, zone.String()); err != nil {
			a.log.Warn("The time zone is the viewer's alone, since the system's can't be set", "err", err)
		}
	}
	link, ok := linkOf(a.config.Network)
	if !ok {
		return
	}
	current, err := theSystem.Current(link)
	if err == nil && !current {
		err = theSystem.Apply(ctx, link, func(setup.Change) error { return nil })
	}
	a.fault(faultNetwork, err)
	if err != nil {
		a.log.Warn("The machine's network can't be set up as the settings want it", "err", err)
	}
}

func (a *Agent) restoreTrial() error {
	data, err := os.ReadFile(a.trialPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var t trial
	if err == nil {
		err = json.Unmarshal(data, &t)
	}
	if err != nil {
		return errors.Join(err, a.endTrial())
	}
	if kept := provision.Load(a.config.State); kept != nil && kept.Digest == t.Digest {
		return a.endTrial()
	}
	a.log.Warn("New network settings were being tried when the viewer ended; those before are put back")
	return a.undoTrial(t.Change)
}
