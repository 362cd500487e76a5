package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// recorder is a kernel that takes everything and keeps what it was told.
type recorder struct {
	calls     []unix.Timex
	frequency int64
	err       error
}

func (r *recorder) adjtimex(t *unix.Timex) (int, error) {
	if t.Modes == 0 {
		setInt(&t.Freq, r.frequency)
		return 0, nil
	}
	r.calls = append(r.calls, *t)
	if t.Modes&unix.ADJ_FREQUENCY != 0 && t.Modes != singleShot {
		r.frequency = int64(t.Freq)
	}
	return 0, r.err
}

// What the numbers mean is in adjtimex(2) and the kernel's include/uapi/linux/timex.h.
func TestKernelIsTold(t *testing.T) {
	r := &recorder{}
	k := &kernel{proc: t.TempDir(), adjtimex: r.adjtimex}
	for _, test := range []struct {
		step    time.Duration
		sec, ns int64
	}{
		{1500 * time.Millisecond, 1, 5e8},
		{-1500 * time.Millisecond, -2, 5e8},
		{-2 * time.Second, -2, 0},
		{56 * 365 * 24 * time.Hour, 56 * 365 * 86400, 0},
	} {
		if err := k.Step(test.step); err != nil {
			t.Fatal(err)
		}
		got := r.calls[len(r.calls)-1]
		if got.Modes != 0x2100 || int64(got.Time.Sec) != test.sec || int64(got.Time.Usec) != test.ns {
			t.Errorf("step of %v: modes %#x, %d s and %d ns", test.step, got.Modes, got.Time.Sec, got.Time.Usec)
		}
	}
	for _, test := range []struct {
		frequency float64
		scaled    int64
	}{{1e-6, 65536}, {-30e-6, -30 * 65536}, {0.01, 500 * 65536}, {-0.01, -500 * 65536}} {
		r.calls = nil
		if err := k.Steer(test.frequency, -3*time.Millisecond, 5*time.Millisecond); err != nil || len(r.calls) != 2 {
			t.Fatal(err, len(r.calls))
		}
		if got := r.calls[0]; got.Modes != 0x1e || int64(got.Freq) != test.scaled || got.Status != 0 || got.Maxerror != 8000 || got.Esterror != 3000 {
			t.Errorf("frequency %v: %+v", test.frequency, got)
		}
		if got := r.calls[1]; got.Modes != 0x8001 || got.Offset != -3000 {
			t.Errorf("gradual correction: %+v", got)
		}
	}
	r.err = unix.EPERM
	if err := k.Step(time.Second); err == nil || !strings.Contains(err.Error(), "CAP_SYS_TIME") {
		t.Errorf("without the right: %v", err)
	}
}

func TestRivals(t *testing.T) {
	r := &recorder{}
	k := &kernel{proc: t.TempDir(), adjtimex: r.adjtimex}
	program := func(number, name string) string {
		dir := filepath.Join(k.proc, number)
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	program("1", "systemd")
	program("self", "chronyd")
	if got := k.Rival(); got != "" {
		t.Errorf("nobody is there: %q", got)
	}
	dir := program("77", "systemd-timesyn")
	for range skipped {
		if got := k.Rival(); got != "" {
			t.Errorf("it isn't looked for yet: %q", got)
		}
	}
	if got := k.Rival(); got != "systemd-timesyncd (process 77)" {
		t.Errorf("%q", got)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	r.frequency = 12345 // from before the viewer
	if got := k.Rival(); got != "" {
		t.Errorf("it has ended: %q", got)
	}
	if err := k.Steer(20e-6, 0, 0); err != nil {
		t.Fatal(err)
	}
	if got := k.Rival(); got != "" {
		t.Errorf("its own frequency: %q", got)
	}
	r.frequency++
	for range 2 {
		if got := k.Rival(); !strings.Contains(got, "frequency") {
			t.Errorf("an unknown program: %q", got)
		}
	}
}

// The machine's own clock is only looked at here: setting it would be felt by everybody else on it.
func TestMachineAnswers(t *testing.T) {
	var x unix.Timex
	if _, err := unix.Adjtimex(&x); err != nil || x.Tick == 0 {
		t.Errorf("%+v, %v", x, err)
	}
}

// BenchmarkRival looks for programs that keep the clock, as is done every 64 s.
func BenchmarkRival(b *testing.B) {
	k := &kernel{proc: "/proc"}
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		b.Fatal(err)
	}
	used := func() time.Duration {
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	for b.Loop() {
		k.running()
	}
	b.ReportMetric(float64((used()-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(len(names)), "processes")
}
