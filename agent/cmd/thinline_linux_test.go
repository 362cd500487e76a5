package cmd_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
)

// noise is a picture that can't be compressed, of about 200 KB; each seed has another.
func noise(t testing.TB, seed uint64) []byte {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	picture := image.NewGray(image.Rect(0, 0, 512, 400))
	if _, err := random.Read(picture.Pix); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.NoCompression}
	if err := encoder.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A thinLine is a site whose viewers are behind a thin line.
type thinLine struct {
	l       lab
	t       testing.TB
	s       site
	content int64
	viewers []host
	states  []string
}

// newThinLine serves pictures on one side of a router, and has hosts for viewers on the other. The line lets through so many megabits per
// second.
func newThinLine(t testing.TB, pictures, viewers, megabits int) *thinLine {
	t.Helper()
	line := &thinLine{t: t, l: newLab(t), s: newSite(t)}
	if err := os.RemoveAll(line.s.media); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(line.s.media, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range pictures {
		data := noise(t, uint64(i))
		line.content += int64(len(data))
		if err := os.WriteFile(filepath.Join(line.s.media, fmt.Sprintf("%03d.png", i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command(t, labScript, "--name", line.l.name, "viewers", strconv.Itoa(viewers))
	router := line.l.host("r").prefix()
	command(t, append(router, "tc", "qdisc", "add", "dev", "eth1", "root", "tbf", "rate", fmt.Sprintf("%dmbit", megabits), "burst", "64k", "latency", "100ms")...)
	for i := range viewers {
		line.viewers = append(line.viewers, line.l.host(fmt.Sprintf("v%d", i+1)))
		line.states = append(line.states, t.TempDir())
	}
	return line
}

// crossed is how many bytes have gone over the thin line to the viewers.
func (l *thinLine) crossed() int64 {
	l.t.Helper()
	out := command(l.t, append(l.l.host("r").prefix(), "cat", "/sys/class/net/eth1/statistics/tx_bytes")...)
	n, err := strconv.ParseInt(strings.TrimSpace(out), 10, 64)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// serve starts the server on the other side.
func (l *thinLine) serve() *process {
	server := start(l.t, l.l.host("a").prefix(), "vitrine-server", "run", "--state", l.s.state, "--media", l.s.media, "--site", "e2e")
	server.await("The programme is up to date")
	return server
}

// view starts a viewer on a host.
func (l *thinLine) view(i int, more ...string) *process {
	args := append([]string{"run", "--state", l.states[i], "--token-file", l.s.token(l.t), "--server", "10.77.0.1", "--name", fmt.Sprintf("screen %d", i+1)}, more...)
	return start(l.t, l.viewers[i].prefix(), "vitrine", args...)
}

// whole tells whether a viewer plays the programme with that many files.
func whole(s agent.Status) bool { return connected(s) && playing(s) && s.Content.Sync == nil }

// fetchTogether has all viewers wait without a programme, and then gives it to all of them in one moment. It gives the bytes that crossed
// the line, as a multiple of the content.
func (l *thinLine) fetchTogether() float64 {
	t := l.t
	pictures, hidden := l.s.media, l.s.media+".hidden"
	if err := os.Rename(pictures, hidden); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, "first.png"), noise(t, 65535), 0o644); err != nil {
		t.Fatal(err)
	}
	l.serve()
	var viewers []*process
	for i := range l.viewers {
		viewers = append(viewers, l.view(i))
	}
	first := map[int]string{}
	for i, h := range l.viewers {
		first[i] = h.await("playing the first programme", whole).Content.Generation.String()
		viewers[i].awaitTimes("Found another viewer of this site", len(l.viewers)-1)
	}
	before := l.crossed()
	moved, err := os.ReadDir(hidden)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range moved {
		if err := os.Rename(filepath.Join(hidden, f.Name()), filepath.Join(pictures, f.Name())); err != nil {
			t.Fatal(err)
		}
	}
	begun := time.Now()
	for i, h := range l.viewers {
		h.await("playing all pictures", func(s agent.Status) bool {
			return whole(s) && s.Content.Generation.String() != first[i] && len(s.Playing) > 0
		})
	}
	ratio := float64(l.crossed()-before) / float64(l.content)
	t.Logf("%d viewers got %d bytes in %v; the line carried %.3f copies", len(l.viewers), l.content, time.Since(begun).Round(time.Millisecond), ratio)
	return ratio
}

// Viewers behind a thin line fetch a programme over it once.
func TestThinLine(t *testing.T) {
	line := newThinLine(t, 60, 6, 40)
	if ratio := line.fetchTogether(); ratio > 1.1 {
		t.Errorf("the line carried %.3f copies; want less than 1.1", ratio)
	}
}
