package discovery

import (
	"net/netip"
	"slices"

	"vitrine/discovery/wsd"
)

const (
	// listenPerSource and listenOverall are how many datagrams a second are parsed: a Hello or a Bye comes seven times.
	listenPerSource = 50
	listenOverall   = 500
	// listenRecent is how many messages are known again as copies.
	listenRecent = 1024
)

// A listener turns datagrams into announcements.
type listener struct {
	limiter *limiter
	recent  *recent
	heard   chan announced
	last    map[spokesman]announced
}

// announced is an announcement with what orders it.
type announced struct {
	Announcement
	sequence *wsd.Sequence
}

// A spokesman is a target as heard from one address: what one source forges doesn't overtake what another says.
type spokesman struct {
	epr    string
	source netip.Addr
}

func newListener() *listener {
	return &listener{
		limiter: newLimiter(listenPerSource, listenOverall), recent: newRecent(listenRecent),
		heard: make(chan announced), last: map[spokesman]announced{},
	}
}

// read is called by the goroutines of several sockets.
func (l *listener) read(arrival *link, links neighbourhood, p packet) (announced, fate, error) {
	if !l.limiter.allow(p.from.Addr()) {
		return announced{}, limited, nil
	}
	m, err := wsd.Parse(p.data)
	switch {
	case err != nil:
		return announced{}, malformed, err
	case m.Action != wsd.Hello && m.Action != wsd.Bye:
		return announced{}, ignored, nil
	case l.recent.repeated(p.from.Addr(), m.MessageID):
		return announced{}, repeated, nil
	}
	d := deviceOf(m.Endpoints[0], m.Version, p.from, arrival)
	d.XAddrs = texts(route{from: p.from.Addr(), link: arrival, links: links}.rank(d.XAddrs))
	return announced{Announcement{Device: d, Bye: m.Action == wsd.Bye}, m.Sequence}, accepted, nil
}

// order tells whether an announcement is news: not older than the last one of that target (Application Sequencing), and
// not the same again in the other version.
func (l *listener) order(a announced) (Announcement, bool) {
	key := spokesman{wsd.CanonicalID(a.Device.EPR), a.Device.From.Addr()}
	last, known := l.last[key]
	if !known && len(l.last) >= maxDevices {
		for other := range l.last {
			delete(l.last, other)
			break
		}
	}
	sameRun := known && a.sequence != nil && last.sequence != nil && a.sequence.InstanceID == last.sequence.InstanceID &&
		a.sequence.SequenceID == last.sequence.SequenceID
	if sameRun && a.sequence.MessageNumber <= last.sequence.MessageNumber {
		return a.Announcement, false
	}
	l.last[key] = a
	return a.Announcement, !(sameRun && sameNews(a.Announcement, last.Announcement))
}

func sameNews(a, b Announcement) bool {
	if a.Bye || b.Bye {
		return a.Bye == b.Bye
	}
	return a.Device.MetadataVersion == b.Device.MetadataVersion && slices.Equal(a.Device.XAddrs, b.Device.XAddrs)
}
