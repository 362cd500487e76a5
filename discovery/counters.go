package discovery

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Counters say what became of the datagrams that came in, since the Client or Target was made. Each is counted once.
type Counters struct {
	// Accepted were acted on: answered, or handed to the caller.
	Accepted uint64
	// Ignored were in order and not meant for us: other types and scopes, other messages.
	Ignored uint64
	// Repeated were copies of what had been read already (SOAP-over-UDP sends everything several times).
	Repeated uint64
	// Limited were more than their source, or all sources together, may send in a second, and were not read.
	Limited uint64
	// Refused had a source that is never listened to: not on a directly connected network, or below port 1024.
	Refused uint64
	// Malformed were no WS-Discovery messages within the limits of package wsd.
	Malformed uint64
	// Unasked were answers to nothing that was asked there: late, or forged.
	Unasked uint64
}

// A fate is what became of one datagram.
type fate uint8

const (
	accepted fate = iota
	ignored
	repeated
	limited
	refused
	malformed
	unasked
	fates
)

var fateNames = [fates]string{"accepted", "ignored", "repeated", "limited", "refused", "malformed", "unasked"}

// suspicious tells whether a fate is worth a line in the log: on a healthy network there is none of these.
func (f fate) suspicious() bool { return f >= limited }

// logInterval is the least time between two lines about what was dropped: a flood must not fill the log.
const logInterval = time.Minute

// A tally counts fates. The zero tally is ready; it is safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	counts [fates]uint64
	said   [fates]uint64 // as of the last line in the log
	last   time.Time
}

// count adds one. What is suspicious is logged: the first at once, and then at most once in logInterval with all that
// came in between.
func (t *tally) count(log *slog.Logger, f fate, from netip.AddrPort, why error) {
	t.mu.Lock()
	t.counts[f]++
	now := time.Now()
	if !f.suspicious() || !t.last.IsZero() && now.Sub(t.last) < logInterval {
		t.mu.Unlock()
		return
	}
	t.last = now
	summary := t.news()
	t.mu.Unlock()
	args := []any{"count", summary, "peer", from}
	if why != nil {
		args = append(args, "err", why)
	}
	log.Info("Datagrams on the discovery port were dropped; the last came from this peer", args...)
}

// news says what was counted since it was last called, as "3 malformed, 1 limited".
func (t *tally) news() string {
	var parts []string
	for f := range fates {
		if n := t.counts[f] - t.said[f]; n > 0 && f.suspicious() {
			parts = append(parts, fmt.Sprintf("%d %s", n, fateNames[f]))
		}
	}
	t.said = t.counts
	return strings.Join(parts, ", ")
}

func (t *tally) counters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	return Counters{
		Accepted: c[accepted], Ignored: c[ignored], Repeated: c[repeated], Limited: c[limited],
		Refused: c[refused], Malformed: c[malformed], Unasked: c[unasked],
	}
}
