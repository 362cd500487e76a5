package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// A Console writes log lines and, on a terminal, keeps a line below them for progress. It is safe for concurrent use.
type Console struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	status   string
}

// NewConsole makes a console on w.
func NewConsole(w io.Writer, terminal bool) *Console { return &Console{w: w, terminal: terminal} }

// eraseLine moves to the start of the line and empties it (ECMA-48: CR, EL).
const eraseLine = "\r\x1b[K"

// print writes a whole line above the status line. An error is ignored: there is no other place to tell it.
func (c *Console) print(line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.terminal {
		line = append([]byte(eraseLine), line...)
		line = append(line, c.status...)
	}
	_, _ = c.w.Write(line)
}

// Status replaces the line below the log; an empty one removes it. On anything but a terminal it does nothing.
func (c *Console) Status(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.terminal || line == c.status {
		return
	}
	c.status = line
	_, _ = io.WriteString(c.w, eraseLine+line)
}

// Terminal tells whether Status has an effect.
func (c *Console) Terminal() bool { return c.terminal }

// Handler makes a handler whose lines a person reads: the time, a name if there is one, the sentence, and then the
// attributes. What stands above "info" is marked by a word.
func (c *Console) Handler(level slog.Leveler, name string) slog.Handler {
	return &lineHandler{console: c, level: level, name: name}
}

type lineHandler struct {
	console *Console
	level   slog.Leveler
	name    string
	attrs   []byte
	group   string
}

func (h *lineHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	b.WriteString(r.Time.Format("15:04:05.000 "))
	if h.name != "" {
		fmt.Fprintf(&b, "%-7s ", h.name)
	}
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("ERROR ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("WARNING ")
	}
	b.WriteString(printable(r.Message))
	b.Write(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.group, a)
		return true
	})
	b.WriteByte('\n')
	h.console.print(b.Bytes())
	return nil
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b bytes.Buffer
	b.Write(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.group, a)
	}
	next := *h
	next.attrs = b.Bytes()
	return &next
}

func (h *lineHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group = h.group + name + "."
	return &next
}

func writeAttr(b *bytes.Buffer, group string, a slog.Attr) {
	if a.Equal(slog.Attr{}) {
		return
	}
	value := a.Value.Resolve()
	text := value.String()
	if value.Kind() == slog.KindTime {
		text = value.Time().Format(time.RFC3339)
	}
	text = printable(text)
	if text == "" || strings.ContainsAny(text, " \"=") {
		text = `"` + strings.ReplaceAll(text, `"`, `\"`) + `"`
	}
	fmt.Fprintf(b, "  %s%s=%s", group, a.Key, text)
}

// printable replaces what could move the cursor or forge a line: names and errors may come from the network.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// ProgressBar draws how much of total is done, with what is under way after it.
func ProgressBar(done, total int64, width int, label string) string {
	share := 1.0
	if total > 0 {
		share = min(float64(done)/float64(total), 1)
	}
	full := int(share * float64(width))
	return fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("█", full), strings.Repeat("·", width-full), share*100, label)
}

// Bytes writes a number of bytes as people do.
func Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
