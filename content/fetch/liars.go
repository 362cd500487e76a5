package fetch

import (
	"sync"
	"time"

	"vitrine/content/digest"
)

// A source that sends wrong bytes costs a whole file each time, and is likely to send the same ones again. So it is asked for that
// asset again only after a while, which doubles each time.
const (
	firstBar = time.Minute
	lastBar  = 24 * time.Hour
	// maxLiars bounds what is remembered.
	maxLiars = 10_000
)

// liars remembers which source has sent wrong bytes for which asset. Its zero value is ready for use.
type liars struct {
	mu    sync.Mutex
	known map[lie]bar
}

type lie struct{ source, asset digest.Digest }

type bar struct {
	until  time.Time
	length time.Duration
}

// barred is how long a source isn't to be asked for an asset; 0 or less if it may be.
func (l *liars) barred(s Source, asset digest.Digest) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.known[lie{origin(s), asset}].until)
}

// caught notes that a source has sent wrong bytes.
func (l *liars) caught(s Source, asset digest.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) >= maxLiars {
		l.known = map[lie]bar{}
	}
	what := lie{origin(s), asset}
	length := min(max(firstBar, 2*l.known[what].length), lastBar)
	l.known[what] = bar{time.Now().Add(length), length}
}
