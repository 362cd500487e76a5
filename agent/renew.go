package agent

import (
	"context"
	"math/rand/v2"
	"time"

	"vitrine/platform/backoff"
	"vitrine/platform/clock"
)

// Times of renewals.
const (
	// renewCheck is how often it is looked whether the certificate is due. The clock may jump, so that no timer runs up to then.
	renewCheck = time.Minute
	// renewFirst and renewLast bound the wait after a renewal that failed.
	renewFirst = time.Minute
	renewLast  = time.Hour
	// renewSpread keeps viewers that were enrolled together apart.
	renewSpread = time.Hour
)

// renewer is the task that has the viewer's certificate renewed in time, by the server that the session is with. One that
// expired nevertheless is renewed when a server refuses the session.
type renewer struct{ *Agent }

// Run renews until ctx ends.
func (r renewer) Run(ctx context.Context) error {
	spread := rand.N(renewSpread)
	wait := backoff.Backoff{Base: renewFirst, Max: renewLast}
	pause := renewCheck
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = renewCheck
		session := r.session.Status()
		if !session.Up() || !r.due(spread) {
			continue
		}
		if err := r.identity.Renew(ctx, session.Server, r.device, r.certificateTime); err != nil {
			pause = wait.Next()
			r.log.Warn("The viewer's certificate can't be renewed; trying again", "server", session.Server, "err", err, "retry", pause.Round(time.Second))
			continue
		}
		wait.Reset()
		e, _ := r.identity.Enrolment()
		r.log.Info("The viewer's certificate was renewed", "server", session.Server, "until", e.Expires().Format(time.DateOnly))
	}
}

// due tells whether the certificate is to be renewed now. While the clock only guesses nobody knows.
func (r renewer) due(spread time.Duration) bool {
	e, ok := r.identity.Enrolment()
	return ok && r.clock.Trust() >= clock.TrustServer && r.clock.Now().After(e.RenewAt().Add(spread))
}

// String names the task.
func (r renewer) String() string { return "renewal of the certificate" }
