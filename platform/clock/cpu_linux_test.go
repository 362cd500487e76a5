package clock

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkExchange is a question, its answer, and what the clock makes of it. What the server does, in the same process, counts as well. It asks slowly, as a server
// answers nobody who asks often, so that only the CPU time means anything.
func BenchmarkExchange(b *testing.B) {
	k := New(Config{})
	f := NewFollower(k, nil)
	s := newSource(fmt.Sprintf("127.0.0.1:%d", serveTime(b)), true, 0, false)
	f.sources = []*source{s}
	pace := time.NewTicker(30 * time.Millisecond)
	defer pace.Stop()
	before := cpuTime(b)
	for b.Loop() {
		<-pace.C
		a, err := f.question(b.Context(), s)
		if err != nil {
			b.Fatal(err)
		}
		f.took(s, a, nil)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
