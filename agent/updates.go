package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/update"
	"vitrine/content/library"
	"vitrine/content/release"
	"vitrine/platform/backoff"
	"vitrine/platform/child"
	"vitrine/platform/clock"
	"vitrine/platform/disk"
)

const (
	// usualWait is the longest wait for a moment at which the change to another release isn't noticed.
	usualWait = 24 * time.Hour
	// freshly is how long after the agent's start such a change is only part of the start.
	freshly = 5 * time.Minute
	// updateTick is how often a release that waits or is on trial is looked at.
	updateTick = 5 * time.Second
)

// releases is what the agent knows of releases of itself.
type releases struct {
	mu     sync.Mutex
	folder *update.Folder
	// own is the release that this process is; zero for the installed program.
	own update.Release
	// trial tells that it is to prove itself, and condemned that it has failed, and this process is about to end.
	trial, condemned bool
	// status is what is reported, and missing why what is wanted isn't on disk; the agent's mu guards both.
	status  protocol.UpdateStatus
	missing error
	news    chan struct{}
}

// openReleases finds out which release this is. Nothing that is wrong there keeps the viewer from playing.
func (a *Agent) openReleases() {
	folder, damage := update.Open(disk.OS{}, a.config.State)
	if damage != nil {
		a.log.Error("The record of releases can't be used", "err", damage)
	}
	a.releases.folder, a.releases.news = folder, make(chan struct{}, 1)
	own, ok := folder.Running(a.config.Executable)
	if !ok {
		return
	}
	t := folder.Record.Trial
	a.releases.own, a.releases.trial = own, t != nil && t.Digest == own.Digest && a.config.Restart != nil
}

// updateNews has the task look at once.
func (a *Agent) updateNews() {
	select {
	case a.releases.news <- struct{}{}:
	default:
	}
}

// updates is the task that follows which release of the viewer the site wants.
type updates struct {
	*Agent
	// wanted is the last one whose document was read.
	wanted *wantedRelease
	// since is since when it has waited for a good moment.
	since time.Time
	retry backoff.Backoff
	again time.Time
}

// String names the task.
func (u *updates) String() string { return "updates of this program" }

// Run follows until ctx ends.
func (u *updates) Run(ctx context.Context) error {
	u.retry = backoff.Backoff{Base: 10 * time.Second, Max: 10 * time.Minute}
	u.begin()
	if u.onTrial() && !u.prove(ctx) {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(updateTick)
	defer ticker.Stop()
	for {
		u.look()
		select {
		case <-ctx.Done():
			return nil
		case <-u.releases.news:
		case <-ticker.C:
		}
	}
}

// begin tells how trials have ended that this process isn't, and removes what isn't needed any more.
func (u *updates) begin() {
	u.releases.mu.Lock()
	defer u.releases.mu.Unlock()
	if t := u.releases.folder.Record.Trial; t != nil && t.Ready && t.Digest != u.releases.own.Digest && u.config.Restart != nil {
		// To start again and again would keep the screen dark.
		u.releases.condemned = true
		if err := u.releases.folder.Fail("the installed program didn't start it; its log says why", false); err != nil {
			u.log.Error("A release wasn't started, and that can't be noted on disk; none is tried before the next start", "version", t.Version, "err", err)
		} else {
			u.releases.condemned = false
		}
	}
	failed, err := u.releases.folder.Told()
	for _, f := range failed {
		message := fmt.Sprintf("release %s was tried and isn't kept: %s", f.Version, f.Why)
		u.log.Warn("An update has failed: " + message)
		u.session.Event("update", message, u.clock.Now())
	}
	if err = errors.Join(err, u.releases.folder.Tidy()); err != nil {
		u.log.Warn("The folder of releases can't be tidied", "err", err)
	}
}

// look takes the next step towards what is wanted, and says how far that is.
func (u *updates) look() {
	e, _ := u.identity.Enrolment()
	u.Agent.mu.Lock()
	w := u.wish
	u.Agent.mu.Unlock()
	var ref protocol.ReleaseRef
	if w.Update != nil && w.Viewer == e.Viewer {
		ref = *w.Update
	}
	s := protocol.UpdateStatus{Release: ref.Digest}
	u.releases.mu.Lock()
	u.judge()
	if u.releases.own != (update.Release{}) {
		s.Installed = u.releases.folder.Record.Base.Version
	}
	if ref.Digest.IsZero() {
		u.library.Also()
		u.wanted, u.since = nil, time.Time{}
		if err := u.releases.folder.Cancel(); err != nil {
			u.log.Warn("A release that is no longer wanted can't be removed", "err", err)
		}
	} else {
		u.step(&s, ref)
	}
	u.releases.mu.Unlock()
	u.tell(s)
}

// judge finds out whose fault it was that a release had no session, by whether this one, which ran before it, has one in the time that a trial has.
// u.releases.mu is held.
func (u *updates) judge() {
	_, limit := u.config.trialTimes()
	up := u.session.Status().Up()
	if !up && time.Since(u.started) < limit {
		return
	}
	if err := u.releases.folder.Judge(up); err != nil {
		u.log.Warn("Whether a release is to blame for having had no session can't be noted on disk", "err", err)
	}
}

// tell makes a status known, if it is another one.
func (u *updates) tell(s protocol.UpdateStatus) {
	u.Agent.mu.Lock()
	changed := u.releases.status != s
	u.releases.status = s
	u.Agent.mu.Unlock()
	if !changed {
		return
	}
	var err error
	if s.Error != "" && !(u.config.Update.Off || s.Error == update.ErrOlder.Error()) {
		err = fmt.Errorf("release %s of the viewer: %s", cmp.Or(s.Version, s.Release.Short()), s.Error)
		u.log.Warn("An update isn't made", "state", s.State, "err", err)
	}
	u.fault(faultUpdate, err)
	u.session.Report()
}

// step takes the next step towards a release. u.releases.mu is held.
func (u *updates) step(s *protocol.UpdateStatus, ref protocol.ReleaseRef) {
	own, record := u.releases.own, u.releases.folder.Record
	if own.Digest == ref.Digest {
		u.library.Also()
		s.State, s.Version = protocol.UpdateKept, own.Version
		return
	}
	refuse := func(state string, err error) {
		u.library.Also()
		s.State, s.Error = state, err.Error()
	}
	for _, f := range record.Failed {
		if f.Digest == ref.Digest {
			s.Version = f.Version
			refuse(protocol.UpdateFailed, errors.New(f.Why))
			return
		}
	}
	if err := u.able(); err != nil {
		refuse(protocol.UpdateRefused, err)
		return
	}
	w, err := u.read(ref)
	if err != nil {
		refuse(protocol.UpdateRefused, err)
		return
	}
	s.State, s.Error = protocol.UpdateFetching, words(u.missing())
	if w == nil {
		return
	}
	s.Version = w.Version
	if own == (update.Release{}) && w.Version == u.config.Version && w.Made.Equal(u.config.Build) {
		u.library.Also()
		s.State, s.Error = protocol.UpdateKept, "" // it came by package or image
		return
	}
	if err := u.allows(*w); err != nil {
		refuse(protocol.UpdateRefused, err)
		return
	}
	if record.Confirmed != nil && record.Confirmed.Digest == ref.Digest {
		refuse(protocol.UpdateFailed, errors.New("it is installed and was kept, and can't be run any more; the log of the last start says why"))
		return
	}
	u.library.Also(library.File{Digest: ref.Digest, Size: ref.Size, Type: release.ContentType, Name: "release " + w.Version}, w.program)
	if t := record.Trial; t == nil || t.Digest != ref.Digest {
		if !u.store.Has(w.Program, w.Size) || time.Now().Before(u.again) {
			return
		}
		if err := u.install(*w); err != nil {
			u.cameAlso(err)
			s.Error = err.Error()
			return
		}
	}
	s.State, s.Error = protocol.UpdateWaiting, ""
	u.await(*w)
}

// words are an error's; empty if there is none.
func words(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// able says why this viewer takes no releases at all.
func (u *updates) able() error {
	switch {
	case u.config.Update.Off:
		return errors.New("the settings take no updates (update.enabled)")
	case !child.Replaces:
		return fmt.Errorf("on %s a program can't be run in place of one that runs; update it by its package", runtime.GOOS)
	case u.config.Restart == nil || !u.config.Watched:
		return errors.New("this viewer isn't a service of systemd, so that nothing would end an update that hangs, and start the one before")
	case len(u.config.Update.Keys) == 0:
		return release.ErrNoKey
	}
	return nil
}

// missing is why what is wanted isn't on disk yet; nil if nobody knows of a reason.
func (u *updates) missing() error {
	u.Agent.mu.Lock()
	defer u.Agent.mu.Unlock()
	return u.releases.missing
}

// cameAlso is told by the library how a fetch of what is wanted beside the programme has ended.
func (a *Agent) cameAlso(err error) {
	a.mu.Lock()
	a.releases.missing = err
	a.mu.Unlock()
	a.updateNews()
}

// install puts a release that has come beside the others. u.releases.mu is held.
func (u *updates) install(w wantedRelease) error {
	program, err := u.store.Open(w.Program)
	if err != nil {
		return err
	}
	defer program.Close()
	if err := u.releases.folder.Install(w.Release, w.document, w.signature, program); err != nil {
		u.again = time.Now().Add(u.retry.Next())
		return fmt.Errorf("it can't be installed: %w", err)
	}
	u.retry.Reset()
	u.log.Info("A release is installed, and waits for a moment at which the change isn't noticed", "version", w.Version, "digest", w.Digest.Short())
	return nil
}

// await begins the trial at a good moment: when nobody looks, at the start, or when it has waited long enough. u.releases.mu is held.
func (u *updates) await(w wantedRelease) {
	now := time.Now()
	if u.since.IsZero() {
		u.since = now
	}
	longest := usualWait
	if u.config.Update.Wait != nil {
		longest = *u.config.Update.Wait
	}
	good := u.quiet() || now.Sub(u.started) < freshly || now.Sub(u.since) >= longest
	if !good || u.releases.condemned || !u.session.Status().Up() || u.clock.Trust() < clock.TrustServer {
		return
	}
	if err := u.releases.folder.Ready(u.screenProblem() == ""); err != nil {
		u.log.Warn("A release can't be tried: that can't be noted on disk", "err", err)
		return
	}
	u.releases.condemned = true
	message := fmt.Sprintf("release %s is started on trial, in place of %s", w.Version, u.config.Version)
	u.log.Info("An update: " + message)
	u.session.Event("update", message, u.clock.Now())
	u.config.Restart()
}

// updateStatus is what is reported; nil if nothing was ever wanted.
func (a *Agent) updateStatus() *protocol.UpdateStatus {
	if s := a.releases.status; s != (protocol.UpdateStatus{}) {
		return &s
	}
	return nil
}

// trialTimes are for how long a release must be well, and within what time.
func (c Config) trialTimes() (good, limit time.Duration) {
	return cmp.Or(c.Update.Trial, config.UsualTrial), cmp.Or(c.Update.Limit, config.UsualLimit)
}
