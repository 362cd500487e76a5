package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/protocol"
	"vitrine/agent/provision"
	"vitrine/content/stick"
	"vitrine/platform/device"
)

// Times of a stick with settings.
const (
	// noticeTime is how long the screen says what is done with it.
	noticeTime = 30 * time.Second
	// settleTime is how long is waited for a session before the report says how far the viewer has come.
	settleTime = 90 * time.Second
)

// processStart stands for the machine's start where that can't be told from others.
var processStart = time.Now().UTC().Format(time.RFC3339Nano)

// settings looks for settings on a stick, takes them if they may be taken, and says on the screen, in the log and on the stick what came of it.
// Once they have been read the stick, which is there until here ends, may be pulled out. It tells whether the viewer starts anew.
func (s stickReader) settings(ctx, here context.Context, dir string) (anew bool) {
	s.takingSettings.Lock()
	defer s.takingSettings.Unlock()
	f, err := provision.Find(dir)
	if errors.Is(err, provision.ErrNone) {
		s.noSettings(dir, err)
		return false
	}
	s.found[dir] = true
	kept := provision.Load(s.config.State)
	if err == nil && kept != nil && kept.Digest == f.Digest() {
		s.inEffect(here, dir, f, *kept)
		return false
	}
	boot := dir == s.boot
	if err == nil && boot && kept != nil && kept.Boot == f.Digest() {
		return false // a stick has brought others since
	}
	s.log.Info("Settings for this viewer are on "+s.place(dir), "folder", dir)
	refused := s.refusedBefore(dir, f, err)
	if !refused {
		s.attend()
		s.notice("Reading the settings on " + s.place(dir) + "…")
	}
	if err == nil {
		err = s.takeSettings(ctx, f, kept, boot)
	}
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		s.refused(dir, f, err, refused)
		return false
	}
	s.log.Info("The settings on "+s.place(dir)+" are taken; the viewer starts anew with them", "folder", dir, "settings", strings.Join(f.Names(), " "))
	s.report(dir, provision.Report{Done: "The settings are taken. The viewer starts anew with them, and will say here how that went.", Settings: f.Names()})
	s.startAnew()
	return true
}

// noSettings is for a stick without settings. A viewer that belongs to no site has nothing better to show than why nothing happens; on another one it would
// cover the programme, also at each start for a stick that stays in.
func (s stickReader) noSettings(dir string, err error) {
	if dir == s.boot {
		return
	}
	_, enrolled := s.identity.Enrolment()
	if _, none := stick.Read(dir); !s.config.Content.NoSticks && !errors.Is(none, stick.ErrNone) {
		if !enrolled {
			s.log.Info("The programme of a USB stick waits until this viewer belongs to a site", "folder", dir)
		}
		return
	}
	s.log.Info("Nothing is taken from a USB stick", "folder", dir, "err", err)
	// A stick that a Mac has formatted has a second, hidden file system.
	if !enrolled && len(s.found) == 0 && s.config.Sticks != config.NoSticks && s.isStick(dir) {
		s.attend()
		s.notice("Nothing is taken from the USB stick: " + err.Error())
	}
}

// pulledOut is for a stick that is gone.
func (s stickReader) pulledOut(dir string) {
	s.takingSettings.Lock()
	defer s.takingSettings.Unlock()
	delete(s.found, dir)
	if err := provision.PulledOut(s.config.State); err != nil {
		s.log.Debug("It can't be kept that a USB stick was pulled out", "err", err)
	}
}

// startAnew ends this agent for another one. A browser with the page on it waits for that; one that is still about to load it would find nobody.
func (a *Agent) startAnew() {
	a.handsOver.Store(screenWatch{a}.observe().Page != nil)
	a.config.StartAnew()
}

// takeSettings checks and keeps settings as a whole.
func (s stickReader) takeSettings(ctx context.Context, f *provision.File, kept *provision.Kept, boot bool) error {
	if s.config.StartAnew == nil {
		return errors.New("this viewer can't be started anew by itself, and so takes no settings from sticks")
	}
	if err := s.identity.Unread(); err != nil {
		return fmt.Errorf("this viewer can't read to which site it belongs, and so not whether that has signed them: %w", err)
	}
	e, _ := s.identity.Enrolment()
	v := provision.Viewer{Site: e.Site, Key: e.PublishingKey, Policy: s.config.Sticks, Up: s.uptime(), Now: s.clock.Now(), Boot: boot, Start: cmp.Or(device.Boot(), processStart), Kept: kept}
	if err := f.Permit(v); err != nil {
		return err
	}
	if err := s.tryLink(ctx, f); err != nil {
		return err
	}
	if err := provision.Save(s.config.State, f.Keep(v)); err != nil {
		return errors.Join(err, s.restoreTrial())
	}
	return s.endTrial()
}

// place names where settings are.
func (s stickReader) place(dir string) string {
	if dir == s.boot {
		return "the card"
	}
	return "the USB stick"
}

// refused says why nothing was changed, to whoever wasn't told before.
func (s stickReader) refused(dir string, f *provision.File, err error, before bool) {
	s.log.Warn("The settings on "+s.place(dir)+" are not taken, and nothing is changed", "folder", dir, "err", err)
	s.report(dir, provision.Report{Wrong: err, Settings: f.Names()})
	if before {
		return
	}
	s.session.Event("settings-refused", err.Error(), s.clock.Now())
	s.notice("The settings on " + s.place(dir) + " are NOT taken: " + err.Error())
	if dir == s.boot {
		if err := provision.Refused(s.config.State, f, err); err != nil {
			s.log.Debug("It can't be kept which settings were refused", "err", err)
		}
	}
}

// refusedBefore tells whether a viewer with a programme, which a notice would cover, has said already that it doesn't take the settings on its card: they
// are there at every start.
func (s stickReader) refusedBefore(dir string, f *provision.File, err error) bool {
	_, ok := s.identity.Enrolment()
	return ok && dir == s.boot && provision.RefusedBefore(s.config.State, f, err)
}

// inEffect is for a stick whose settings the viewer has: it is the one that has brought them, or stays in all the time.
func (s stickReader) inEffect(ctx context.Context, dir string, f *provision.File, kept provision.Kept) {
	r := provision.Report{Done: "Done. The settings are in effect, since " + kept.Taken.Local().Format(time.DateTime) + ".", Settings: f.Names()}
	s.report(dir, r)
	if !kept.Fresh {
		s.log.Info("The viewer has its settings already that are on "+s.place(dir), "folder", dir)
	} else {
		s.wakeFor(byStick)
		s.log.Info("The settings on "+s.place(dir)+" are in effect", "folder", dir)
		s.notice("The settings on " + s.place(dir) + " are in effect" + s.soonDark())
		s.session.Event("settings", "took the settings on "+s.place(dir), s.clock.Now())
		if err := provision.Announced(s.config.State, kept); err != nil {
			s.log.Debug("It can't be kept that the settings are in effect", "err", err)
		}
	}
	s.working.Go(func() {
		if s.awaitSession(ctx) {
			s.report(dir, r)
			if kept.Fresh && dir != s.boot {
				s.notice("The settings on the USB stick are in effect, and it can be pulled out" + s.soonDark())
			}
		}
	})
}

// soonDark says that the screen won't stay on, to whoever has just set the viewer up and may have written hours that he didn't mean.
func (s stickReader) soonDark() string {
	state := s.standbyStatus()
	if state == nil || state.Why != protocol.StandbyWoken {
		return ""
	}
	text := ". It is outside the operating hours: the screen goes dark at " + state.Until.In(s.zone()).Format("15:04")
	if hours, ok := s.player.Opening(); ok && !hours.Next.IsZero() {
		text += ", until " + hours.Next.In(s.zone()).Format("Mon 15:04 MST")
	}
	return text
}

// awaitSession waits for a session, or for the time after which somebody on a ladder has gone; it is false if the stick went first.
func (s stickReader) awaitSession(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for !s.session.Status().Up() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return errors.Is(ctx.Err(), context.DeadlineExceeded)
		}
	}
	return true
}

// report writes a report to a stick, with how the viewer is doing.
func (s stickReader) report(dir string, r provision.Report) {
	status := s.Status()
	r.Viewer, r.Pairing, r.Time = status.Reported, status.Pairing, s.clock.Now().Local()
	if err := s.drives.Write(dir, func() error { return r.Write(dir) }); err != nil && dir == s.boot {
		s.log.Debug("The report isn't written to the boot partition, which is only read", "err", err)
	} else if err != nil {
		s.log.Warn("The report can't be written to the USB stick", "folder", dir, "err", err)
	}
}

// notice puts a sentence on the screen, in place of what the session is doing and over the programme.
func (a *Agent) notice(text string) {
	a.mu.Lock()
	a.noticed, a.noticedUntil = text, time.Now().Add(noticeTime)
	a.mu.Unlock()
	a.showState()
	a.player.Identify(text, noticeTime)
}
