package agent

import (
	"context"
	"fmt"

	"vitrine/agent/protocol"
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
