package agent

import (
	"runtime"
	"time"

	"vitrine/agent/metrics"
	"vitrine/agent/protocol"
	"vitrine/platform/clock"
	"vitrine/platform/device"
	"vitrine/platform/diskspace"
)

// figures are what the viewer tells a monitoring system, as Prometheus reads it. Names and units are its conventions'
// (https://prometheus.io/docs/practices/naming/); what isn't known has a name and no value.
func (a *Agent) figures() []byte {
	var p metrics.Page
	s := a.Status()
	p.Gauge("vitrine_info", "What viewer this is.", metrics.Of(1, "version", s.Version, "name", s.Name, "site", s.Site, "viewer", s.Viewer, "location", s.Location.String()))
	p.Gauge("vitrine_start_time_seconds", "When the agent was started, as seconds since 1970.", at(s.Started)...)
	update := protocol.UpdateStatus{}
	if s.Update != nil {
		update = *s.Update
	}
	p.State("vitrine_update_state", "How far the viewer is with the release of itself that is wanted; none if none is.", "state", update.State, protocol.UpdateFetching,
		protocol.UpdateWaiting, protocol.UpdateTrial, protocol.UpdateKept, protocol.UpdateFailed, protocol.UpdateRefused)
	a.sessionFigures(&p, s)
	clockFigures(&p, s.Clock)
	contentFigures(&p, s.Content)
	a.screenFigures(&p, s)
	a.browserFigures(&p)
	a.machineFigures(&p)
	return p.Bytes()
}

// at is a time as Prometheus has them; none if it is zero.
func at(t time.Time) []metrics.Sample {
	if t.IsZero() {
		return nil
	}
	return []metrics.Sample{metrics.Of(float64(t.UnixMilli()) / 1000)}
}

func (a *Agent) sessionFigures(p *metrics.Page, s Status) {
	p.Gauge("vitrine_session_up", "Whether there is a session with a server.", metrics.Of(metrics.Bool(s.Session.Up())))
	p.State("vitrine_session_state", "The state of the session.", "state", s.Session.State, protocol.StateSearching, protocol.StateEnrolling, protocol.StatePending,
		protocol.StateConnecting, protocol.StateConnected, protocol.StateDegraded, protocol.StateOffline)
	p.Gauge("vitrine_session_since_time_seconds", "When that state was entered, as seconds since 1970.", at(s.Session.Since)...)
	p.Gauge("vitrine_session_waiting_messages", "Events and results that wait for a server.", metrics.Of(float64(s.Session.Waiting)))
	p.Counter("vitrine_session_lost_messages_total", "Events and results that were given up.", metrics.Of(float64(s.Session.Lost)))
	e, _ := a.identity.Enrolment()
	p.Gauge("vitrine_certificate_expiry_time_seconds", "When the viewer's certificate expires, as seconds since 1970.", at(e.Expires())...)
	p.Gauge("vitrine_plays_waiting", "Proof of play that waits for a server.", metrics.Of(float64(s.Plays.Waiting)))
	p.Counter("vitrine_plays_lost_total", "Proof of play that was given up.", metrics.Of(float64(s.Plays.Lost)))
}

func clockFigures(p *metrics.Page, c protocol.ClockStatus) {
	var trusts []string
	for trust := clock.TrustUnset; trust <= clock.TrustNTP; trust++ {
		trusts = append(trusts, trust.String())
	}
	p.State("vitrine_clock_trust", "How far the clock is trusted.", "trust", c.Trust, trusts...)
	p.Gauge("vitrine_clock_offset_seconds", "What the viewer adds to the system clock to get the time.", metrics.Of(c.Offset))
	var bound []metrics.Sample
	if c.Error > 0 {
		bound = append(bound, metrics.Of(c.Error))
	}
	p.Gauge("vitrine_clock_error_seconds", "The most by which the time can be wrong.", bound...)
	p.Gauge("vitrine_clock_frequency_ratio", "By what part the machine's crystal is slow.", metrics.Of(c.Frequency/1e6))
	var offsets, trips []metrics.Sample
	for _, s := range c.Sources {
		if s.Reach == 0 {
			continue
		}
		offsets = append(offsets, metrics.Of(s.Offset, "server", s.Server))
		trips = append(trips, metrics.Of(s.RTT, "server", s.Server))
	}
	p.Gauge("vitrine_clock_source_offset_seconds", "What a time server says that the clock lacks.", offsets...)
	p.Gauge("vitrine_clock_source_round_trip_seconds", "How long a time server takes to answer.", trips...)
}

func contentFigures(p *metrics.Page, c protocol.ContentStatus) {
	var active []metrics.Sample
	if !c.Generation.IsZero() {
		active = append(active, metrics.Of(1, "id", c.ID, "digest", c.Generation.String()))
	}
	p.Gauge("vitrine_content_info", "The programme that plays.", active...)
	p.Gauge("vitrine_content_activated_time_seconds", "When it was activated, as seconds since 1970.", at(c.Activated)...)
	var size, done, rate []metrics.Sample
	if s := c.Sync; s != nil {
		size, done, rate = []metrics.Sample{metrics.Of(float64(s.Bytes))}, []metrics.Sample{metrics.Of(float64(s.BytesDone))}, []metrics.Sample{metrics.Of(float64(s.Rate))}
	}
	p.Gauge("vitrine_content_wanted_bytes", "The size of a programme that is being fetched.", size...)
	p.Gauge("vitrine_content_fetched_bytes", "How much of it is there.", done...)
	p.Gauge("vitrine_content_fetch_rate_bytes_per_second", "How fast the rest comes.", rate...)
}

func (a *Agent) screenFigures(p *metrics.Page, s Status) {
	shown := 0
	for _, zone := range s.Playing {
		if zone.Shown {
			shown++
		}
	}
	p.Gauge("vitrine_pages", "Browsers that show the page.", metrics.Of(float64(a.player.Pages())))
	p.Gauge("vitrine_zones", "Zones in which something should be on.", metrics.Of(float64(len(s.Playing))))
	p.Gauge("vitrine_zones_shown", "Zones in which a browser says that it is.", metrics.Of(float64(shown)))
	p.Gauge("vitrine_standby", "Whether the screen is dark because it should be.", metrics.Of(metrics.Bool(s.Schedule != nil && s.Schedule.Standby)))
	p.State("vitrine_display", "What is known of the display.", "state", s.Display.State, "on", "off", "unknown")
	var faults []metrics.Sample
	for _, f := range s.Faults {
		faults = append(faults, metrics.Of(1, "code", f.Code))
	}
	p.Gauge("vitrine_faults", "How many things are wrong.", metrics.Of(float64(len(s.Faults))))
	p.Gauge("vitrine_fault", "What is wrong.", faults...)
}

// browserFigures are of the browser that the viewer itself runs, if it does.
func (a *Agent) browserFigures(p *metrics.Page) {
	var starts, memory, limit []metrics.Sample
	if a.kiosk != nil {
		k := a.kiosk.Status()
		starts = []metrics.Sample{metrics.Of(float64(k.Starts))}
		if k.Memory > 0 {
			memory = []metrics.Sample{metrics.Of(float64(k.Memory))}
		}
		limit = []metrics.Sample{metrics.Of(float64(k.Limit))}
	}
	p.Counter("vitrine_browser_starts_total", "How often the viewer has started its browser.", starts...)
	p.Gauge("vitrine_browser_memory_bytes", "What its browser uses.", memory...)
	p.Gauge("vitrine_browser_memory_limit_bytes", "What its browser may use.", limit...)
}

func (a *Agent) machineFigures(p *metrics.Page) {
	var free, size, temperatures, available, total, killed, low []metrics.Sample
	if f, t, err := diskspace.Of(a.config.State); err == nil {
		free, size = []metrics.Sample{metrics.Of(float64(f))}, []metrics.Sample{metrics.Of(float64(t))}
	}
	for _, t := range device.Temperatures() {
		temperatures = append(temperatures, metrics.Of(t.Celsius, "sensor", t.Sensor))
	}
	if m, err := device.ReadMemory(); err == nil {
		available, total, killed = []metrics.Sample{metrics.Of(float64(m.Available))}, []metrics.Sample{metrics.Of(float64(m.Total))}, []metrics.Sample{metrics.Of(float64(m.Killed))}
	}
	if v, err := device.ReadPower(); err == nil {
		low = []metrics.Sample{metrics.Of(metrics.Bool(v.Low))}
	}
	p.Gauge("vitrine_disk_free_bytes", "What the viewer may still write on the disk of its state.", free...)
	p.Gauge("vitrine_disk_size_bytes", "The size of that disk.", size...)
	p.Gauge("vitrine_temperature_celsius", "What the machine's sensors measure.", temperatures...)
	p.Gauge("vitrine_under_voltage", "Whether the board says that its power supply is too weak.", low...)
	p.Gauge("vitrine_memory_available_bytes", "The machine's memory that programs can still have.", available...)
	p.Gauge("vitrine_memory_size_bytes", "The machine's memory.", total...)
	p.Counter("vitrine_memory_kills_total", "Programs that the system has ended for want of memory, since its start.", killed...)
	p.Gauge("process_resident_memory_bytes", "The agent's own memory.", metrics.Of(float64(device.Resident())))
	p.Gauge("go_goroutines", "Tasks within the agent.", metrics.Of(float64(runtime.NumGoroutine())))
}
