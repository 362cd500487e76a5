package discovery

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// maxSources bounds the memory of a limiter.
const maxSources = 1024

// A limiter decides which datagrams are worth parsing: so many per second from one source, and so many in all. A source
// that floods uses up its own share before it touches the common one. It is safe for concurrent use.
type limiter struct {
	perSource, overall float64 // datagrams per second; a burst may have as many as a second

	mu      sync.Mutex
	total   bucket
	sources map[netip.Addr]*bucket
}

// A bucket holds what may still come.
type bucket struct {
	tokens float64
	filled time.Time
}

func (b *bucket) fill(rate float64, now time.Time) {
	b.tokens = min(rate, b.tokens+rate*now.Sub(b.filled).Seconds())
	b.filled = now
}

func newLimiter(perSource, overall float64) *limiter {
	return &limiter{perSource: perSource, overall: overall, total: bucket{tokens: overall}, sources: map[netip.Addr]*bucket{}}
}

func (l *limiter) allow(source netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := l.sources[source]
	if b == nil {
		if len(l.sources) >= maxSources {
			l.forgetOne()
		}
		b = &bucket{tokens: l.perSource, filled: now}
		l.sources[source] = b
	}
	b.fill(l.perSource, now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	l.total.fill(l.overall, now)
	if l.total.tokens < 1 {
		return false
	}
	l.total.tokens--
	return true
}

// forgetOne drops any source, whichever the map gives first: a better choice would cost more than it saves, since the
// common limit holds for whoever is forgotten.
func (l *limiter) forgetOne() {
	for source := range l.sources {
		delete(l.sources, source)
		return
	}
}

// recent remembers the last messages by source and content or MessageID (SOAP-over-UDP, on duplicates), as a hash with a
// secret seed, so that each takes the same few bytes. It is safe for concurrent use.
type recent struct {
	limit int

	mu   sync.Mutex
	seed maphash.Seed
	seen map[uint64]bool
	ring []uint64
	next int
}

// newRecent remembers that many messages. The copies of one are under way for 1.25 s.
func newRecent(limit int) *recent {
	return &recent{limit: limit, seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
}

// repeated tells whether the message was seen before, and remembers it.
func (r *recent) repeated(source netip.Addr, id string) bool {
	key := maphash.Comparable(r.seed, struct {
		source netip.Addr
		id     string
	}{source, id})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[key] {
		return true
	}
	r.seen[key] = true
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, key)
		return false
	}
	delete(r.seen, r.ring[r.next])
	r.ring[r.next] = key
	r.next = (r.next + 1) % r.limit
	return false
}
