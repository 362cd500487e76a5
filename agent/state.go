package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/plays"
	"vitrine/agent/remote"
	"vitrine/agent/session"
	"vitrine/agent/update"
	"vitrine/platform/atomicfile"
	"vitrine/platform/clock"
	"vitrine/platform/clock/system"
	"vitrine/platform/disk"
)

// openState opens what is in the state folder.
func (a *Agent) openState() error {
	c := a.config
	if err := os.MkdirAll(c.State, 0o755); err != nil {
		return fmt.Errorf("state folder: %w; give a folder that this user may write to with --state", err)
	}
	a.clock = clock.New(clock.Config{Build: c.Build, SavedFile: filepath.Join(c.State, "clock.json"), Log: c.Log})
	a.fault(faultAuthority, a.lacking)
	a.follower = clock.NewFollower(a.clock, c.Log)
	a.follower.SetServers("", c.Clock.Servers...)
	a.public = a.publicTransport()
	a.feeds = remote.NewFeeds(filepath.Join(c.State, "feeds"), a.public, a.clock.Now, c.Log)
	a.discipline = system.New(system.Config{Clock: a.clock, Changed: func(s system.State) { a.fault(faultSystemClock, s.Err) }, Log: c.Log})
	a.openIdentity()
	if err := a.openContent(); err != nil {
		return err
	}
	a.sweep()
	a.openPlays()
	a.openSession()
	a.openReleases()
	a.openWish()
	return nil
}

func (a *Agent) openIdentity() {
	id, damage := identity.Open(filepath.Join(a.config.State, "identity"), a.log)
	id.Dial = a.dialer.DialContext
	a.identity = id
	a.without(damage)
}

// sweep removes what the power was cut in the middle of writing, keys among it. The content's lock, which is held, keeps other viewers from this state folder.
func (a *Agent) sweep() {
	for _, folder := range []string{"", "identity", update.FolderName} {
		if err := atomicfile.Sweep(disk.OS{}, filepath.Join(a.config.State, folder)); err != nil {
			a.log.Warn("What was half-written before the start can't be removed", "err", err)
		}
	}
}

func (a *Agent) openPlays() {
	spool, damage := plays.Open(filepath.Join(a.config.State, playsFolder), plays.Config{
		Written: func() { a.session.Deliver() },
		Failed:  func(err error) { a.fault(faultPlays, err) },
		Log:     a.log,
	})
	a.plays = spool
	a.without(damage)
}

func (a *Agent) openSession() {
	s, damage := session.New(session.Config{
		Identity: viewerIdentity{a},
		Servers:  a.knownServers,
		Place:    a.place,
		Discover: a.discover,
		Dial:     a.dialer.DialContext,
		Report:   a.report,
		Desired:  a.desired,
		Commands: a.commands(),
		Journal:  filepath.Join(a.config.State, "journal.jsonl"),
		Plays:    a.plays,

		KeepAlive:   a.config.Session.KeepAlive,
		ReturnAfter: a.config.Session.ReturnAfter,
		Now:         func() (time.Time, bool) { return a.clock.Now(), a.clock.Trust() >= clock.TrustServer },
		Fingerprint: a.device.Fingerprint,
		Cloned:      func(err error) { a.fault(faultCloned, err) },
		Changed:     a.sessionChanged,
		Log:         a.log,
	})
	a.session = s
	a.without(damage)
}

// without notes what of the state can't be read or kept: the viewer goes on without it. It stays a fault until the next start: such a disk won't get better.
func (a *Agent) without(damage error) {
	if damage == nil {
		return
	}
	do := "replace the disk or card"
	if disk.Full(damage) {
		do = "make room on the disk"
	}
	text := strings.ReplaceAll(damage.Error(), "\n", "; ") + "; the viewer plays on without it: " + do
	a.log.Error("Part of the state folder can't be used", "err", text)
	a.damage = append(a.damage, text)
	a.fault(faultDiskFailing, errors.New(strings.Join(a.damage, "; ")))
}
