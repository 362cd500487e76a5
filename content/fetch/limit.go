package fetch

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// limited reads no faster than all transfers together may.
type limited struct {
	ctx   context.Context
	r     io.Reader
	limit *rate.Limiter
	watch *watchdog
}

// maxLimitedRead bounds a read, so that a slow rate comes in a steady trickle, and not in lumps.
const maxLimitedRead = 16 << 10

// Read takes what has come, and then waits for as long as that many bytes cost. Meanwhile the line may be silent.
func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b[:min(len(b), maxLimitedRead)])
	l.watch.stop()
	defer l.watch.start()
	if wait := l.limit.WaitN(l.ctx, n); wait != nil && err == nil {
		err = wait
	}
	return n, err
}
