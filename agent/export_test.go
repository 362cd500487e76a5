package agent

import (
	"context"
	"net/http"
	"sync"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/content/stick"
	"vitrine/platform/removable"
)

// ContentTransport is what carries the agent's requests for content.
func (a *Agent) ContentTransport() http.RoundTripper { return a.contentTransport() }

// TakeSettings does with the folders of sticks what is done when they are put in, one after the other, but for what comes later, and serves the page meanwhile.
// It tells whether the viewer starts anew with the last one.
func (a *Agent) TakeSettings(ctx context.Context, dirs ...string) bool {
	return a.takeSettingsOf(ctx, removable.Boot, time.Hour, dirs...)
}

// TakeSettingsSoon does the same so long after the machine was switched on.
func (a *Agent) TakeSettingsSoon(ctx context.Context, up time.Duration, dir string) bool {
	return a.takeSettingsOf(ctx, removable.Boot, up, dir)
}

// TakeSettingsOfCard does the same with the boot partition of a card.
func (a *Agent) TakeSettingsOfCard(ctx context.Context, dir string) bool {
	return a.takeSettingsOf(ctx, dir, time.Hour, dir)
}

func (a *Agent) takeSettingsOf(ctx context.Context, boot string, up time.Duration, dirs ...string) (anew bool) {
	s := stickReader{Agent: a, working: &sync.WaitGroup{}, drives: &removable.Sticks{}, boot: boot, found: map[string]bool{}, isStick: func(string) bool { return true }, uptime: func() time.Duration { return up }}
	defer s.working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, dir := range dirs {
		anew = s.settings(ctx, ctx, dir)
	}
	return anew
}

// CannotMount does what is done about a stick that can't be mounted, so long after the start.
func (a *Agent) CannotMount(after time.Duration, err error) {
	stickReader{Agent: a, began: time.Now().Add(-after)}.cannotMount(err)
}

// PullOut does what is done when a stick is pulled out, as far as settings are concerned.
func (a *Agent) PullOut() { stickReader{Agent: a}.pulledOut("") }

// Content is the task that fetches what is wanted.
func (a *Agent) Content() interface{ Run(context.Context) error } { return a.library }

// Desired does with a wish of the server's what is done when it comes.
func (a *Agent) Desired(d protocol.Desired) { a.desired(d) }

// TakeProgramme takes the programme of a stick.
func (a *Agent) TakeProgramme(ctx context.Context, dir string) error {
	_, err := a.takeStick(ctx, dir, false)
	return err
}

// HasNear gives the viewer the files of a stick, for what it wants anyway.
func (a *Agent) HasNear(s *stick.Stick) {
	a.sticks.Add(s)
	a.library.Refresh()
}

// Noticed is the sentence that was last put on the screen.
func (a *Agent) Noticed() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.noticed
}

// CertificateTime is the time at which certificates are judged, and whether the true one may be later.
func (a *Agent) CertificateTime() (time.Time, bool) { return a.certificateTime() }

// Identity is who the viewer is.
func (a *Agent) Identity() *identity.Identity { return a.identity }

// Renew does what is done when a server has refused the session.
func (a *Agent) Renew(ctx context.Context, addr string) error {
	return viewerIdentity{a}.Renew(ctx, addr)
}

// Code is what the viewer shows while it waits for approval.
func (a *Agent) Code() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.code
}

// TellTime has the clock told the time by a server.
func (a *Agent) TellTime(t time.Time) { a.clock.ServerTime(t, "10.0.0.5:7237") }

// ContentFrom has content come from the server with this session address, as a session with it does.
func (a *Agent) ContentFrom(addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.contentServer = addr
}

// ServePage serves the page alone.
func (a *Agent) ServePage(ctx context.Context) error { return a.player.Run(ctx) }
