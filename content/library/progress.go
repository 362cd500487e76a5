package library

import (
	"math"
	"sync"
	"time"

	"vitrine/content/digest"
)

// Progress is how far the fetch of a wanted generation is.
type Progress struct {
	Manifest         digest.Digest
	Files, FilesDone int
	// Bytes is the length of all files that are missing at the beginning, and BytesDone how much of them is on disk.
	Bytes, BytesDone int64
	// Rate is how many bytes per second came in the last seconds.
	Rate int64
	// Left is how long the rest takes at that rate; 0 if that can't be said.
	Left time.Duration
}

// rateWindow is the time over which the rate is smoothed.
const rateWindow = 5 * time.Second

// progress counts for several workers.
type progress struct {
	report func(Progress)
	mu     sync.Mutex
	state  Progress
	// rate is in bytes per second, up to at; came is what has come since.
	rate float64
	at   time.Time
	came int64
}

func newProgress(report func(Progress), wanted digest.Digest) *progress {
	return &progress{report: report, state: Progress{Manifest: wanted}, at: time.Now()}
}

// expect adds a file that is missing, of which so many bytes are there.
func (p *progress) expect(size, there int64) {
	p.state.Files++
	p.state.Bytes += size
	p.state.BytesDone += there
}

// add counts what has come. A nil progress counts nothing.
func (p *progress) add(files int, bytes int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.FilesDone += files
	p.state.BytesDone += bytes
	p.measure(time.Now(), max(bytes, 0))
	p.report(p.state)
}

// measure is an exponential average: what came in the last rateWindow counts for two thirds. It is taken anew every tenth of that.
func (p *progress) measure(now time.Time, bytes int64) {
	p.came += bytes
	if passed := now.Sub(p.at); passed >= rateWindow/10 {
		old := math.Exp(-passed.Seconds() / rateWindow.Seconds())
		if p.rate == 0 {
			old = 0
		}
		p.rate = p.rate*old + float64(p.came)/passed.Seconds()*(1-old)
		p.at, p.came = now, 0
	}
	p.state.Rate, p.state.Left = int64(p.rate), 0
	if p.rate >= 1 {
		p.state.Left = time.Duration(float64(p.state.Bytes-p.state.BytesDone) / p.rate * float64(time.Second)).Round(time.Second)
	}
}
