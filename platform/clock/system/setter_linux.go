package system

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// singleShot is the mode of adjtimex(2) that corrects by so much and then ends, as adjtime(3) does.
const singleShot = unix.ADJ_OFFSET_SINGLESHOT

// scale is the kernel's unit of frequency: a 65536th of a millionth.
const scale = 1e6 * 65536

// mostFrequency is what the kernel takes.
const mostFrequency = 500e-6

// skipped is how many corrections go without a look at all processes, which is most of what keeping the clock costs, after nobody was found.
const skipped = 3

// rivals are programs that keep the system clock, by the names that the kernel knows them by, which have 15 letters at most.
var rivals = map[string]string{
	"chronyd": "chronyd", "ntpd": "ntpd", "systemd-timesyn": "systemd-timesyncd", "phc2sys": "phc2sys", "ptpd": "ptpd",
}

// kernel is the clock of Linux.
type kernel struct {
	proc     string
	adjtimex func(*unix.Timex) (int, error)
	// frequency is what was set last, in the kernel's unit; set is false before.
	frequency int64
	set       bool
	// skip is for how many corrections the processes needn't be looked at.
	skip int
	// other is true once somebody else was seen to set it.
	other bool
}

func newSetter() Setter { return &kernel{proc: "/proc", adjtimex: unix.Adjtimex} }

func (k *kernel) Now() time.Time { return time.Now() }

func (k *kernel) Step(d time.Duration) error {
	// The kernel wants a positive number of nanoseconds, whatever the sign.
	s := d / time.Second
	ns := d % time.Second
	if ns < 0 {
		s, ns = s-1, ns+time.Second
	}
	t := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
	setInt(&t.Time.Sec, int64(s))
	setInt(&t.Time.Usec, int64(ns))
	return k.call(&t)
}

func (k *kernel) Steer(frequency float64, d, bound time.Duration) error {
	t := unix.Timex{Modes: unix.ADJ_FREQUENCY | unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR}
	scaled := int64(math.Round(min(max(frequency, -mostFrequency), mostFrequency) * scale))
	setInt(&t.Freq, scaled)
	// Status 0 says that the clock is right, upon which the kernel sets the battery-backed one every eleven minutes, and that no loop of its own steers it.
	setInt(&t.Maxerror, (bound + d.Abs()).Microseconds())
	setInt(&t.Esterror, d.Abs().Microseconds())
	if err := k.call(&t); err != nil {
		return err
	}
	k.frequency, k.set = scaled, true
	// Also if the viewer is killed now, the clock goes no further than this.
	t = unix.Timex{Modes: singleShot}
	setInt(&t.Offset, d.Microseconds())
	return k.call(&t)
}

func (k *kernel) call(t *unix.Timex) error {
	if _, err := k.adjtimex(t); err != nil {
		if err == unix.EPERM {
			return fmt.Errorf("adjtimex: %w; the viewer needs the capability CAP_SYS_TIME, which containers don't have, or set clock.discipline to \"process\"", err)
		}
		return fmt.Errorf("adjtimex: %w", err)
	}
	return nil
}

// Rival looks for programs that are known to keep the clock, and for traces of others.
func (k *kernel) Rival() string {
	if k.skip--; k.skip < 0 {
		if rival := k.running(); rival != "" {
			return rival
		}
		k.skip = skipped
	}
	var t unix.Timex
	if _, err := k.adjtimex(&t); err == nil && k.set && int64(t.Freq) != k.frequency {
		k.other = true
	}
	if k.other {
		return "another program, which has changed the frequency of the system clock"
	}
	return ""
}

// running is a program that is known to keep the clock.
func (k *kernel) running() string {
	names, _ := filepath.Glob(filepath.Join(k.proc, "[0-9]*", "comm")) // the pattern is right
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if rival := rivals[string(bytes.TrimSpace(comm))]; rival != "" {
			return fmt.Sprintf("%s (process %s)", rival, filepath.Base(filepath.Dir(name)))
		}
	}
	return ""
}

// setInt sets a number whose size is the machine's.
func setInt[T int32 | int64](p *T, v int64) { *p = T(v) }
