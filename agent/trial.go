package agent

import (
	"context"
	"fmt"
	"time"

	"vitrine/agent/protocol"
	"vitrine/agent/update"
)

// silence is for how long a page in a browser of this viewer may say nothing; pages speak every 10 s.
const silence = 30 * time.Second

func (a *Agent) onTrial() bool {
	a.releases.mu.Lock()
	defer a.releases.mu.Unlock()
	return a.releases.trial
}

// prove watches whether this release, which is on trial, is well. It is true once that is so; else this process is about to end.
func (u *updates) prove(ctx context.Context) bool {
	own := u.releases.own
	good, limit := u.config.trialTimes()
	u.log.Info("This release is on trial", "version", own.Version, "for", good, "within", limit)
	u.releases.mu.Lock()
	installed := u.releases.folder.Record.Base.Version
	u.releases.mu.Unlock()
	u.tell(protocol.UpdateStatus{Release: own.Digest, Version: own.Version, State: protocol.UpdateTrial, Installed: installed})
	proof := update.Proof{Good: good, Limit: limit}
	ticker := time.NewTicker(min(updateTick, good/5))
	defer ticker.Stop()
	for {
		proved, failed := proof.Look(time.Now(), u.ailment())
		if proved && !time.Now().Before(u.again) {
			if u.keepRelease() {
				return true
			}
			u.again = time.Now().Add(u.retry.Next())
		}
		if failed != "" {
			u.failTrial(failed)
			u.config.Restart()
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			u.pauseTrial()
			return false
		}
	}
}

// ailment is what keeps this release from being well at the moment, in words; empty if it is. The screen is only asked for if it was right before.
func (u *updates) ailment() string {
	if s := u.session.Status(); !s.Up() {
		return "there was no session with a server: " + s.State + " " + s.Error
	}
	if current, ok := u.store.Current(); ok {
		if active, plays := u.library.Active(); !plays || active.Generation.Manifest != current.Manifest {
			return "the programme on disk didn't play"
		}
	}
	u.releases.mu.Lock()
	t := u.releases.folder.Record.Trial
	u.releases.mu.Unlock()
	if t == nil || !t.Screen {
		return ""
	}
	return u.screenProblem()
}

// screenProblem is what is wrong with the screen, as far as that can be known: without a browser of its own, what the page says if one is open.
func (a *Agent) screenProblem() string {
	for _, f := range a.faults.list() {
		if f.Code == faultScreen || f.Code == faultBrowser {
			return f.Message
		}
	}
	o := screenWatch{a}.observe()
	switch {
	case o.Page == nil && o.Ours && !a.kiosk.Status().Paused:
		return "no page was open"
	case o.Page == nil:
		return ""
	case o.Ours && time.Since(o.Page.Heard) > silence:
		return "the page said nothing"
	case o.Nothing:
		return ""
	}
	return o.Page.Wrong
}

// keepRelease keeps the release that has proved itself. If the disk doesn't take that, it is on trial still.
func (u *updates) keepRelease() bool {
	u.releases.mu.Lock()
	defer u.releases.mu.Unlock()
	if err := u.releases.folder.Confirm(); err != nil {
		u.log.Warn("This release is well, and that can't be noted on disk; it stays on trial", "err", err)
		return false
	}
	u.releases.trial = false
	message := fmt.Sprintf("release %s has proved itself, and is kept", u.releases.own.Version)
	u.log.Info("An update: " + message)
	u.session.Event("update", message, u.clock.Now())
	if err := u.releases.folder.Tidy(); err != nil {
		u.log.Warn("The folder of releases can't be tidied", "err", err)
	}
	return true
}

// failTrial notes that this release, if it is on trial, isn't kept, for a reason in words.
func (a *Agent) failTrial(why string) {
	a.releases.mu.Lock()
	defer a.releases.mu.Unlock()
	if !a.releases.trial || a.releases.condemned {
		return
	}
	a.releases.condemned = true
	a.log.Error("This release isn't kept; the one before comes back", "version", a.releases.own.Version, "why", why)
	if err := a.releases.folder.Fail(why, !a.session.Status().Up()); err != nil {
		a.log.Warn("That can't be noted on disk; the next start finds it out", "err", err)
	}
}

// pauseTrial notes that this process was told to end, so that the next start goes on with the trial.
func (a *Agent) pauseTrial() {
	a.releases.mu.Lock()
	defer a.releases.mu.Unlock()
	if !a.releases.trial || a.releases.condemned {
		return
	}
	if err := a.releases.folder.Pause(); err != nil {
		a.log.Warn("It can't be noted that the trial of this release goes on", "err", err)
	}
}
