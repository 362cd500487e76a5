package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
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

// renewer is the task that has the viewer's certificate renewed in time, by the server that the session is with. One that has expired
// nevertheless is renewed by any server of the site: a broker may end the handshake for it without a word.
type renewer struct{ *Agent }

// Run renews until ctx ends.
func (r renewer) Run(ctx context.Context) error {
	spread := rand.N(renewSpread)
	wait := backoff.Backoff{Base: renewFirst, Max: renewLast}
	var rest time.Time
	for ctx.Err() == nil {
		timer := time.NewTimer(max(renewCheck, time.Until(rest)))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.offline:
		}
		timer.Stop()
		servers := r.renewalServers(spread)
		if len(servers) == 0 || time.Now().Before(rest) {
			continue
		}
		if err := r.renewAt(ctx, servers); err != nil && ctx.Err() == nil {
			pause := wait.Next()
			rest = time.Now().Add(pause)
			r.log.Warn("The viewer's certificate can't be renewed; trying again", "err", err, "retry", pause.Round(time.Second))
			continue
		}
		wait.Reset()
		r.untimely.Store(false)
		rest = time.Now().Add(renewLast) // also if that was in vain
	}
	return nil
}

// renewAt asks one server after the other.
func (r renewer) renewAt(ctx context.Context, servers []string) error {
	var failed error
	for _, addr := range servers {
		err := viewerIdentity(r).renew(ctx, addr)
		if err == nil {
			e, _ := r.identity.Enrolment()
			r.log.Info("The viewer's certificate was renewed", "server", addr, "until", e.Expires().Format(time.DateOnly))
			if !r.session.Status().Up() {
				r.session.Kick()
			}
			return nil
		}
		failed = also(failed, fmt.Errorf("%s: %w", addr, err))
	}
	return failed
}

// renewalServers are whom to ask for a renewal now; none if there is no need. While the clock only guesses nobody knows when it is time,
// but a certificate that has expired even by a clock that is behind has, and one by which a server's has expired may be of a day to come.
func (r renewer) renewalServers(spread time.Duration) []string {
	e, ok := r.identity.Enrolment()
	session, now := r.session.Status(), r.clock.Now()
	switch {
	case !ok, r.pairing():
		return nil
	case session.Up():
		if r.clock.Trust() < clock.TrustServer || now.Before(e.RenewAt().Add(spread)) {
			return nil
		}
		return []string{session.Server}
	case now.Before(e.Expires()) && !r.untimely.Load():
		return nil
	}
	var servers []string
	for _, c := range r.knownServers() {
		if !slices.Contains(servers, c.Addr) {
			servers = append(servers, c.Addr)
		}
	}
	return servers
}

// String names the task.
func (r renewer) String() string { return "renewal of the certificate" }
