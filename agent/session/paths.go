package session

import (
	"sync"
	"time"
)

// How the interval between signs of life adapts to the way to a server.
const (
	// near is the time of an answer below which a server is on the same network, where packets cost nothing: there a dead one is
	// noticed three times as soon.
	near       = 10 * time.Millisecond
	nearFactor = 3
	// A way that went silent while the server at its end was there has forgotten an idle connection, as some NATs and firewalls do
	// after half a minute. Then the interval is halved, down to shortest, and grows again by a quarter with each hour without such a loss.
	shortest = 5 * time.Second
	calm     = time.Hour
	// soon is how soon after a silent loss a connection to the same server shows that it was there all the time.
	soon = 15 * time.Second
)

// A path is what is known of the way to one server.
type path struct {
	// interval is the longest silence that the way bears; 0 while nothing bad is known of it.
	interval time.Duration
	since    time.Time
	// silent is when the last connection went silent; zero if it ended otherwise.
	silent time.Time
	rtt    time.Duration
	// proxy is the "host:port" of the proxy that the last connection went through; empty if none.
	proxy string
	// plain means that the broker keeps no retained messages.
	plain bool
}

// paths has what is known of the ways to servers, by "host:port". It is safe for concurrent use.
type paths struct {
	mu    sync.Mutex
	known map[string]*path
}

// maxPaths bounds what is remembered: addresses come from whoever answers a probe.
const maxPaths = 64

func (p *paths) get(addr string) *path {
	if p.known == nil || len(p.known) >= maxPaths && p.known[addr] == nil {
		p.known = map[string]*path{}
	}
	if p.known[addr] == nil {
		p.known[addr] = &path{}
	}
	return p.known[addr]
}

// interval is how long nothing needs to be said on a connection to addr, at most keepAlive.
func (p *paths) interval(addr string, keepAlive time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.get(addr)
	limit := keepAlive
	if w.rtt != 0 && w.rtt < near {
		limit /= nearFactor
	}
	if w.interval == 0 {
		return limit
	}
	for w.interval < keepAlive && time.Since(w.since) >= calm {
		w.interval, w.since = w.interval*5/4, w.since.Add(calm)
	}
	return min(w.interval, limit)
}

// reached notes that a connection to addr was made, in that time.
func (p *paths) reached(addr string, rtt, keepAlive time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.get(addr)
	w.rtt = rtt
	if !w.silent.IsZero() && time.Since(w.silent) < soon {
		if w.interval == 0 {
			w.interval = keepAlive
		}
		w.interval, w.since = max(shortest, w.interval/2), time.Now()
	}
	w.silent = time.Time{}
}

// measured notes how long an answer from addr took.
func (p *paths) measured(addr string, rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.get(addr).rtt = rtt
}

// wentSilent notes that the server at addr could not be heard any more on a connection.
func (p *paths) wentSilent(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.get(addr).silent = time.Now()
}

// goes notes through which proxy the last connection to addr went, and through tells it; empty if there was none.
func (p *paths) goes(addr, proxy string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.get(addr).proxy = proxy
}

func (p *paths) through(addr string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.known[addr]; w != nil {
		return w.proxy
	}
	return ""
}

// noRetain notes that the broker at addr keeps no retained messages, and retains tells it.
func (p *paths) noRetain(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.get(addr).plain = true
}

func (p *paths) retains(addr string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.get(addr).plain
}
