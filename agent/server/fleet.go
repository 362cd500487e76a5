package server

import (
	"sync"
	"time"

	"vitrine/agent/protocol"
)

// A fleet is what is known of viewers at present; nothing of it is kept on disk. It is safe for concurrent use.
type fleet struct {
	mu      sync.Mutex
	live    map[string]live
	waiting map[string]chan protocol.Result
}

// live is the last word of one viewer.
type live struct {
	Presence protocol.Presence `json:"presence"`
	Reported protocol.Reported `json:"reported"`
	Heard    time.Time         `json:"heard"`
}

func newFleet() *fleet {
	return &fleet{live: map[string]live{}, waiting: map[string]chan protocol.Result{}}
}

func (f *fleet) report(viewer string, r protocol.Reported) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.live[viewer]
	l.Reported, l.Heard = r, time.Now()
	f.live[viewer] = l
}

// presence keeps p, and tells whether it changed. The will of an earlier run, which may come late, changes nothing.
func (f *fleet) presence(viewer string, p protocol.Presence) (changed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.live[viewer]
	if !p.Online && l.Presence.Boot != p.Boot {
		return false
	}
	changed = l.Presence.Online != p.Online
	l.Presence, l.Heard = p, time.Now()
	f.live[viewer] = l
	return changed
}

// expect prepares for the results of a command; the caller must call forget.
func (f *fleet) expect(id string) <-chan protocol.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	results := make(chan protocol.Result, 4)
	f.waiting[id] = results
	return results
}

func (f *fleet) forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting, id)
}

func (f *fleet) result(r protocol.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case f.waiting[r.ID] <- r:
	default:
	}
}

func (f *fleet) get(viewer string) live {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live[viewer]
}
