package agent

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

// Bounds of the log that is kept in memory for whoever asks for it from afar.
const (
	ringLines    = 2000
	ringLineSize = 1 << 10
)

// A logRing keeps the last lines of the log, whatever of it is printed. It is safe for concurrent use.
type logRing struct {
	mu    sync.Mutex
	lines []string
	next  int
}

// Write takes one line, as slog's handlers write them.
func (r *logRing) Write(line []byte) (int, error) {
	text := string(bytes.TrimRight(line[:min(len(line), ringLineSize)], "\n"))
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < ringLines {
		r.lines = append(r.lines, text)
	} else {
		r.lines[r.next] = text
		r.next = (r.next + 1) % ringLines
	}
	return len(line), nil
}

// last gives up to n of the last lines, oldest first, and no more than size bytes.
func (r *logRing) last(n, size int) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := len(r.lines)
	from := count
	for from > 0 && count-from < n {
		line := r.lines[(r.next+from-1)%count]
		if size -= len(line) + 3; size < 0 { // quotes and a comma
			break
		}
		from--
	}
	list := make([]string, 0, count-from)
	for i := from; i < count; i++ {
		list = append(list, r.lines[(r.next+i)%count])
	}
	return list
}

// keeping is a logger that also keeps what it logs, from level info on.
func (r *logRing) keeping(log *slog.Logger) *slog.Logger {
	return slog.New(&tee{log.Handler(), slog.NewTextHandler(r, nil)})
}

// A tee is a handler that is two.
type tee struct{ first, second slog.Handler }

func (t *tee) Enabled(ctx context.Context, level slog.Level) bool {
	return t.first.Enabled(ctx, level) || t.second.Enabled(ctx, level)
}

func (t *tee) Handle(ctx context.Context, r slog.Record) error {
	for _, h := range []slog.Handler{t.first, t.second} {
		if h.Enabled(ctx, r.Level) {
			if err := h.Handle(ctx, r.Clone()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tee{t.first.WithAttrs(attrs), t.second.WithAttrs(attrs)}
}

func (t *tee) WithGroup(name string) slog.Handler {
	return &tee{t.first.WithGroup(name), t.second.WithGroup(name)}
}
