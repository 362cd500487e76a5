package player

import "time"

// A PageClock is how well a page knows the agent's time, as the page sees it.
type PageClock struct {
	// At is when the page said so, by the monotonic clock.
	At time.Time `json:"at"`
	// RoundTrip is that of the best exchange, and Spread by how much the exchanges of a burst differ.
	RoundTrip time.Duration `json:"round_trip"`
	Spread    time.Duration `json:"spread"`
	// Drift is by how much the browser's clock is slow against the agent's, in parts per million.
	Drift float64 `json:"drift_ppm"`
	// Error is the most by which the page can be wrong about the agent's time.
	Error time.Duration `json:"error"`
}

// PageClock is the clock of the page that is open longest; false if there is none, or it hasn't measured yet.
func (p *Player) PageClock() (PageClock, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var first *page
	for g := range p.open {
		if first == nil || g.number < first.number {
			first = g
		}
	}
	if first == nil || first.clock.At.IsZero() {
		return PageClock{}, false
	}
	return first.clock, true
}

// noteClock keeps what a page says of its clock.
func (p *Player) noteClock(g *page, m pageMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.clock = PageClock{At: time.Now(), RoundTrip: span(m.RoundTrip), Spread: span(m.Spread), Drift: m.Drift, Error: span(m.Error)}
}

// span is a length of time in a page's milliseconds; one that makes no sense is an hour.
func span(milliseconds float64) time.Duration {
	if !(milliseconds >= 0 && milliseconds <= 3.6e6) {
		return time.Hour
	}
	return time.Duration(milliseconds * float64(time.Millisecond))
}

// steps is by how much a clock must have jumped for the schedule to be looked up anew at once, and not within a minute.
const steps = 100 * time.Millisecond

// noticeStep looks whether one of the clocks has stepped since a page last asked.
func (p *Player) noticeStep() {
	elapsed := time.Since(began)
	stands := [2]time.Duration{p.cfg.Now().Sub(began) - elapsed, p.cfg.Playout().Sub(began) - elapsed}
	p.mu.Lock()
	stepped := (stands[0]-p.stood[0]).Abs() > steps || (stands[1]-p.stood[1]).Abs() > steps
	p.stood = stands
	p.mu.Unlock()
	if stepped {
		p.poke()
	}
}

// began is a reading of both the wall clock and the monotonic one.
var began = time.Now()
