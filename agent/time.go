package agent

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"vitrine/agent/protocol"
	"vitrine/platform/clock"
	"vitrine/platform/clock/sntp"
)

// timeServer is the task that gives neighbours the time, if it is set up: screens behind one thin line agree better with each other by it.
type timeServer struct{ *Agent }

// Run answers until ctx ends.
func (t timeServer) Run(ctx context.Context) error {
	port := t.config.Clock.Serve
	if port == 0 {
		<-ctx.Done()
		return nil
	}
	s, err := sntp.Listen(fmt.Sprintf(":%d", port), t.follower.Reference, t.log)
	if err != nil {
		return fmt.Errorf("%w; another time service may be running, or the right to use ports below 1024 be missing", err)
	}
	t.log.Info("Neighbours can ask for the time", "port", port)
	return s.Run(ctx)
}

// String names the task.
func (t timeServer) String() string { return "time service" }

// askAgain is the wait after a server that didn't tell the time.
const askAgain = time.Minute

// serverTime is the task that asks a server of the site for the time over TLS at the start of a session, while nothing better than the machine's clock is
// known. Any answer tells it; but where all content is on disk nothing else is asked for, and where no NTP gets through there would be no time.
type serverTime struct{ *Agent }

// Run asks until ctx ends.
func (t serverTime) Run(ctx context.Context) error {
	transport := t.contentTransport()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.begun:
		}
		for t.clock.Trust() < clock.TrustServer {
			if err := t.ask(ctx, transport); err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return nil
			case <-t.begun:
			case <-time.After(askAgain):
			}
		}
	}
}

// ask asks for the head of the present programme. There may be none: then the fetch of the first one tells the time.
func (t serverTime) ask(ctx context.Context, transport http.RoundTripper) error {
	active, ok := t.library.Active()
	bases := t.contentBases()
	if !ok || len(bases) == 0 {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, bases[0]+protocol.PathManifests+active.Generation.Manifest.String(), nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.log.Debug("The server didn't tell the time", "err", err)
		return err
	}
	return resp.Body.Close()
}

// String names the task.
func (t serverTime) String() string { return "time from the server" }

// systemClock is the task that keeps the system's clock with the viewer's, if it is set up.
type systemClock struct{ *Agent }

// Run keeps it until ctx ends.
func (t systemClock) Run(ctx context.Context) error {
	if !t.config.Clock.System {
		<-ctx.Done()
		return nil
	}
	return t.discipline.Run(ctx)
}

// String names the task.
func (t systemClock) String() string { return t.discipline.String() }

// clockStatus is the state of the clock in the words of the protocol.
func (a *Agent) clockStatus() protocol.ClockStatus {
	c, system := a.clock.Status(), a.discipline.State()
	s := protocol.ClockStatus{
		Trust: c.Trust.String(), Offset: c.Offset.Seconds(), Error: c.Bound.Seconds(), Source: c.Source, Frequency: c.Frequency * 1e6, Sources: a.timeSources(),
	}
	switch {
	case system.Kept:
		s.System = "kept"
	case system.Rival != "":
		s.System = "left to " + system.Rival
	case system.Err != nil:
		s.System = system.Err.Error()
	}
	return s
}

// timeSources are the NTP servers that the viewer asks.
func (a *Agent) timeSources() []protocol.ClockSource {
	var list []protocol.ClockSource
	for _, s := range a.follower.Sources() {
		list = append(list, protocol.ClockSource{
			Server: s.Server, Verdict: s.Verdict, Offset: s.Offset.Seconds(), Error: s.Bound.Seconds(),
			RTT: s.RTT.Seconds(), Stratum: s.Stratum, Reach: int(s.Reach), Poll: s.Poll.Seconds(),
		})
	}
	return list
}
