package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vitrine/agent/config"
	"vitrine/agent/identity"
	"vitrine/agent/plays"
	"vitrine/agent/protocol"
	"vitrine/content/digest"
	"vitrine/content/library"
	"vitrine/content/stick"
	"vitrine/platform/device"
	"vitrine/platform/removable"
)

// stickReader is the task that takes settings and programmes from USB sticks.
type stickReader struct {
	*Agent
	working *sync.WaitGroup
	drives  *removable.Sticks
	began   time.Time
	// boot is where the boot partition of the card is mounted that the machine has started from.
	boot string
	// found are the sticks that are in with settings on them, right or wrong; guarded by takingSettings.
	found map[string]bool
	// isStick tells whether what is mounted at a folder is on a stick, and not on a disk of the machine's.
	isStick func(dir string) bool
	// uptime is how long ago the machine was switched on; 0 if that isn't known.
	uptime func() time.Duration
}

// sticksFolder has the mounts of sticks that the system doesn't mount.
const sticksFolder = "sticks"

// Run follows sticks that come and go until ctx ends.
func (s stickReader) Run(ctx context.Context) error {
	s.began = time.Now()
	s.setMachine(ctx)
	if s.config.Content.NoSticks && s.config.Sticks == config.NoSticks {
		<-ctx.Done()
		return nil
	}
	private, err := filepath.Abs(filepath.Join(s.config.State, sticksFolder))
	if err != nil {
		return err
	}
	s.found, s.isStick, s.uptime = map[string]bool{}, removable.IsStick, device.Uptime
	s.boot, s.drives = removable.Boot, &removable.Sticks{Folders: removable.Folders, Private: private, Problem: s.cannotMount}
	s.working = &sync.WaitGroup{}
	defer s.working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := map[string]context.CancelFunc{}
	return s.drives.Watch(ctx, func(c removable.Change) {
		if c.Gone {
			stop[c.Dir]()
			s.sticks.Remove(c.Dir)
			s.fault(faultStick, nil)
			s.working.Go(func() { s.pulledOut(c.Dir) })
			return
		}
		var here context.Context
		here, stop[c.Dir] = context.WithCancel(ctx)
		s.working.Go(func() {
			if !s.settings(ctx, here, c.Dir) {
				s.programme(here, c.Dir)
			}
		})
	})
}

// byStick is who has woken a viewer if somebody has put a stick in.
const byStick = "a USB stick"

// wasThere is for how long after the start of the agent a stick is one that was there before.
const wasThere = 15 * time.Second

// attend ends standby for whoever has just put a stick in: he is to see what becomes of it. Nobody has if the agent starts and the stick is there.
func (s stickReader) attend() {
	if time.Since(s.began) > wasThere {
		s.wakeFor(byStick)
	}
}

// String names the task.
func (s stickReader) String() string { return "reader of USB sticks" }

// programme takes the programme of a stick, if the settings say so, once the viewer belongs to a site.
func (s stickReader) programme(ctx context.Context, dir string) {
	if s.config.Content.NoSticks || !s.enrolled(ctx) {
		return
	}
	s.takingProgramme.Lock()
	defer s.takingProgramme.Unlock()
	if ctx.Err() == nil {
		s.inserted(ctx, dir)
	}
}

// cannotMount tells whoever has put a stick in why nothing will happen. Of one that stays in only the log says so at each start: the screen has a programme.
func (s stickReader) cannotMount(err error) {
	s.log.Warn("A USB stick can't be used", "err", err)
	if _, enrolled := s.identity.Enrolment(); enrolled && time.Since(s.began) < wasThere {
		return
	}
	s.attend()
	s.notice("The USB stick can't be used: " + err.Error())
}

// inserted takes the programme of a stick, if it is newer than what plays, and writes back how that went.
func (s stickReader) inserted(ctx context.Context, dir string) {
	id, err := s.takeStick(ctx, dir, false)
	switch {
	case errors.Is(err, stick.ErrNone):
		s.log.Debug("A stick has no programme", "folder", dir)
		return
	case err != nil && ctx.Err() == nil:
		s.fault(faultStick, fmt.Errorf("the USB stick at %s: %w", dir, err))
		s.log.Warn("A USB stick brings nothing", "folder", dir, "err", err)
		s.session.Event("stick-refused", err.Error(), s.clock.Now())
	case err == nil:
		s.log.Info("The programme of a USB stick plays", "folder", dir, "programme", id)
	}
	if err := s.drives.Write(dir, func() error { return s.giveBack(dir) }); err != nil {
		s.log.Debug("Nothing can be written to the stick", "folder", dir, "err", err)
	}
}

// takeStick makes the programme of a stick the wanted one, and waits until it is active. Nothing on a stick is believed that the site hasn't
// signed, and without being told to, none that is older than what plays.
func (a *Agent) takeStick(ctx context.Context, dir string, older bool) (id string, err error) {
	s, err := stick.Read(dir)
	if err != nil {
		return "", err
	}
	e, ok := a.identity.Enrolment()
	if !ok {
		return "", errors.New("this viewer belongs to no site yet, and so can't know whose programme that is; enrol it first")
	}
	m, err := s.Manifest(e.Site, e.PublishingKey)
	if err == nil {
		err = acceptable(m)
	}
	if err != nil {
		return "", err
	}
	if plays, ok := a.library.Active(); ok && !older {
		if plays.Generation.Manifest == s.Programme.Manifest {
			return m.ID, nil
		}
		if !m.Issued.After(plays.Manifest.Issued) {
			return "", fmt.Errorf("its programme %q is of %s, and the one that plays is as new or newer; `vitrine content import` takes it all the same",
				m.ID, m.Issued.Local().Format(time.DateTime))
		}
	}
	a.wakeFor(byStick) // before it has come: that can take a while
	a.sticks.Add(s)
	ref := &protocol.ManifestRef{Digest: s.Programme.Manifest, Size: s.Size, Signature: s.Signature}
	a.tryStick(e.Viewer, ref)
	err = a.library.Get(ctx, library.Ref{Digest: ref.Digest, Size: ref.Size, Signature: ref.Signature})
	a.stickTried(ref, err == nil)
	if err != nil {
		return "", fmt.Errorf("its programme %q can't be taken: %w", m.ID, err)
	}
	a.session.Event("stick", fmt.Sprintf("plays %s from a USB stick", m.ID), a.clock.Now())
	return m.ID, nil
}

// tryStick has the programme of a stick stand in place of the server's for as long as it is being taken.
func (a *Agent) tryStick(viewer string, ref *protocol.ManifestRef) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wish.Viewer != viewer {
		a.wish = wish{Viewer: viewer}
	}
	a.wish.trying = ref
}

// stickTried has it stay so if it plays, also after a restart, and otherwise the former wish followed again: what a stick lacks may be nowhere else, and
// nothing else would ever come.
func (a *Agent) stickTried(ref *protocol.ManifestRef, plays bool) {
	a.mu.Lock()
	if a.wish.trying != ref {
		a.mu.Unlock()
		return // the server has another one meanwhile, or somebody another stick
	}
	a.wish.trying = nil
	if plays {
		a.wish.Stick = ref
		if a.wish.Declined == ref.Digest {
			a.wish.Declined = digest.Digest{}
		}
	}
	w := a.wish
	a.mu.Unlock()
	if plays {
		a.keepWish(w)
	}
	a.want()
}

// giveBack writes the viewer's status, the end of its log and its proof of play to a stick, for whoever carries it. The plays stay here too: a server that
// gets them both ways knows them by their ids.
func (a *Agent) giveBack(dir string) error {
	status, err := json.MarshalIndent(a.Status(), "", "  ")
	if err != nil {
		return err
	}
	played, err := plays.List(filepath.Join(a.config.State, playsFolder))
	if err != nil {
		a.log.Warn("The proof of play can't be written to a stick", "err", err)
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, p := range played {
		_ = encoder.Encode(p) // into memory, of what can be encoded
	}
	log := strings.Join(a.ring.last(ringLines, maxLogBytes), "\n") + "\n"
	return errors.Join(
		stick.GiveBack(dir, a.name(), "status.json", append(status, '\n')),
		stick.GiveBack(dir, a.name(), "log.txt", []byte(log)),
		stick.GiveBack(dir, a.name(), "plays.jsonl", lines.Bytes()),
	)
}

// importStick is `vitrine content import`.
func (a *Agent) importStick(ctx context.Context, dir string) (any, error) {
	if a.alone {
		var working sync.WaitGroup
		defer working.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		working.Go(func() { _ = a.library.Run(ctx) }) // it ends with ctx alone
	}
	id, err := a.takeStick(ctx, dir, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return map[string]string{"playing": id}, nil
}

// Exported is what an export has written.
type Exported struct {
	ID string `json:"id"`
	// Files and Bytes are what was written, beside what was there.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Export writes the programme that plays on the viewer with this state, which may be running or not, to a stick.
func Export(ctx context.Context, state, dir string, progress func(files, allFiles int, bytes, allBytes int64)) (Exported, error) {
	l, err := ReadContent(state)
	if err != nil {
		return Exported{}, err
	}
	active, err := l.Current()
	if err != nil {
		return Exported{}, err
	}
	site, err := identity.SiteOf(filepath.Join(state, "identity"))
	if err != nil {
		return Exported{}, fmt.Errorf("%s: it isn't known whose programme this is: %w", state, err)
	}
	g := active.Generation
	export := stick.Export{
		Programme: stick.Programme{Site: site, ID: active.Manifest.ID, Manifest: g.Manifest, Size: g.Size, Signature: g.Signature, Exported: time.Now().UTC()},
		Manifest:  active.Manifest,
		Open:      l.Open,
		Progress:  progress,
	}
	done := Exported{ID: active.Manifest.ID}
	done.Files, done.Bytes, err = export.Write(ctx, dir)
	return done, err
}
