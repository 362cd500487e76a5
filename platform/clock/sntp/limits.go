package sntp

import (
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// How often a server answers: many viewers may be behind one address.
const (
	perAddress      = 50 // per second
	burstPerAddress = 500
	inAll           = 5000
	// maxAddresses bounds the memory for those who ask: of more than that nobody is remembered.
	maxAddresses = 4096
)

// A judgement is what becomes of a request.
type judgement int

const (
	allowed judgement = iota
	// warned: the answer asks for fewer questions; once a second at most.
	warned
	refused
)

// limits remember who asked how often. The zero value is ready.
type limits struct {
	all   *rate.Limiter
	asked map[netip.Addr]*asker
}

type asker struct{ questions, warnings *rate.Limiter }

// judge decides on a request.
func (l *limits) judge(from netip.Addr, now time.Time) judgement {
	if l.all == nil || len(l.asked) >= maxAddresses {
		if l.all == nil {
			l.all = rate.NewLimiter(inAll, inAll)
		}
		l.asked = map[netip.Addr]*asker{}
	}
	from = from.Unmap().WithZone("")
	a := l.asked[from]
	if a == nil {
		a = &asker{rate.NewLimiter(perAddress, burstPerAddress), rate.NewLimiter(1, 1)}
		l.asked[from] = a
	}
	switch {
	case a.questions.AllowN(now, 1) && l.all.AllowN(now, 1):
		return allowed
	case a.warnings.AllowN(now, 1):
		return warned
	}
	return refused
}
