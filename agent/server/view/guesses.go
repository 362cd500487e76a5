package view

import (
	"net/http"
	"net/netip"
	"sync"

	"golang.org/x/time/rate"
)

// How many wrong keys an address may try: so many at once, so many a second from then on. Of 80 random bits that is nothing.
const (
	guessBurst  = 20
	guessRate   = 1
	maxGuessers = 4096
)

// guesses keeps count of wrong keys, by address. An address with too many isn't answered for a while, not even with the right one: or the
// limit would be none.
type guesses struct {
	mu    sync.Mutex
	known map[netip.Prefix]*rate.Limiter
	// others is for all that no room is left for.
	others *rate.Limiter
}

func newGuesses() *guesses {
	return &guesses{known: map[netip.Prefix]*rate.Limiter{}, others: rate.NewLimiter(guessRate, guessBurst)}
}

// network is what counts as one address: of IPv6 a whole network is easily one machine's.
func network(from netip.Addr) netip.Prefix {
	bits := 32
	if from.Is6() {
		bits = 64
	}
	prefix, err := from.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// tooMany tells whether an address has no guess left.
func (g *guesses) tooMany(from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	limit, ok := g.known[network(from)]
	if !ok {
		limit = g.others
		if len(g.known) < maxGuessers {
			return false
		}
	}
	return limit.Tokens() < 1
}

// wrong notes a wrong key.
func (g *guesses) wrong(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := network(from)
	limit, ok := g.known[who]
	if !ok {
		g.forget()
		limit = g.others
		if len(g.known) < maxGuessers {
			limit = rate.NewLimiter(guessRate, guessBurst)
			g.known[who] = limit
		}
	}
	limit.Allow()
}

// forget makes room, once it is needed, by dropping those that have all their guesses again. g.mu is held.
func (g *guesses) forget() {
	if len(g.known) < maxGuessers {
		return
	}
	for who, limit := range g.known {
		if limit.Tokens() >= guessBurst {
			delete(g.known, who)
		}
	}
}

// address is where a request comes from.
func address(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return from.Addr().Unmap().WithZone("")
}
