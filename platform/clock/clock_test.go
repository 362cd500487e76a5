package clock

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"vitrine/platform/clock/envelope"
	"vitrine/platform/clock/sntp"
)

var build = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// bubble is a configuration whose counter is that of a synctest bubble.
func bubble(c Config) Config {
	start := time.Now()
	c.Counter = func() time.Duration { return time.Hour + time.Since(start) }
	return c
}

// says is what follows from servers that say that the system clock lacks offset.
func (k *Clock) says(offset time.Duration, source string) choice {
	at := k.counter()
	l := line{envelope.Estimate{At: at, Offset: time.Duration(time.Now().Add(offset).UnixNano()) - at}, 0}
	return choice{civil: l, playout: l, source: source}
}

// A synctest bubble starts in 2000, so that the machine's clock there is one without a battery.
func TestBootWithoutClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock.json")
	synctest.Test(t, func(t *testing.T) {
		k := New(bubble(Config{Build: build, SavedFile: file}))
		if got := k.Now(); got.Before(build) || got.After(build.Add(time.Second)) || k.Trust() != TrustUnset {
			t.Errorf("first boot: %v (%v), want the build date and unset", got, k.Trust())
		}
		last := build.Add(200 * time.Hour)
		k.ServerTime(last, "server:7237")
		if got := k.Now(); got.Sub(last).Abs() > time.Millisecond || k.Trust() != TrustServer {
			t.Errorf("after the server's word: %v (%v)", got, k.Trust())
		}
		ppm := 17.5
		if err := k.saved.store(document{last, &ppm}); err != nil {
			t.Fatal(err)
		}
		k = New(bubble(Config{Build: build, SavedFile: file}))
		if got := k.Now(); got.Before(last) || k.Trust() != TrustSaved || k.frequency != 17.5e-6 {
			t.Errorf("second boot: %v (%v, %v), want the time and the frequency saved", got, k.Trust(), k.frequency)
		}
		began := k.Now()
		time.Sleep(1000 * time.Second)
		if d := k.Now().Sub(began) - 1000*time.Second; (d - 17500*time.Microsecond).Abs() > time.Microsecond {
			t.Errorf("in 1000 s the crystal was corrected by %v", d)
		}
	})
}

// The frequency that is kept is one that was measured, and not the first guess.
func TestFrequencyIsKnownLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(bubble(Config{SavedFile: filepath.Join(t.TempDir(), "clock.json")}))
		f := NewFollower(k, nil)
		for _, test := range []struct {
			span  time.Duration
			known bool
		}{{0, false}, {5 * time.Minute, false}, {20 * time.Minute, true}} {
			c := k.says(0, "a")
			c.civil.Span, c.civil.Frequency = test.span, 40e-6
			k.steer(c)
			f.save()
			d, err := k.saved.load()
			if frequency, known := d.frequency(); err != nil || known != test.known || known && frequency != 40e-6 {
				t.Errorf("after %v: %v, known %v, %v", test.span, frequency, known, err)
			}
			if k.Status().Frequency != 40e-6 {
				t.Errorf("after %v the status says %v", test.span, k.Status().Frequency)
			}
		}
	})
}

func TestDamagedSavedTimeIsSetAside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock.json")
	for _, content := range []string{`{"time":`, `{"frequency_ppm":4000}`, `{"time":"2026-11-02T00:00:00Z","frequency_ppm":"x"}`} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if k := New(Config{Build: build, SavedFile: file}); k.Trust() != TrustRTC || k.frequency != 0 {
			t.Errorf("%s: trust %v, frequency %v with a plausible system clock", content, k.Trust(), k.frequency)
		}
	}
}

func TestSmallCorrectionIsGradual(t *testing.T) {
	for _, correction := range []time.Duration{-50 * time.Millisecond, 50 * time.Millisecond, -900 * time.Millisecond, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			k := New(bubble(Config{}))
			k.steer(k.says(10*time.Second, "a"))
			start := k.Now()
			if d := time.Until(start); d < 9*time.Second {
				t.Fatalf("the first measurement was not taken at once: %v", d)
			}
			_, epoch := k.Playout()
			k.steer(k.says(10*time.Second+correction, "a"))
			last := k.Now()
			if last.Sub(start).Abs() > time.Millisecond {
				t.Errorf("a small correction moved the clock by %v", last.Sub(start))
			}
			for range 200 {
				<-time.After(time.Second)
				now := k.Now()
				if step := now.Sub(last); (step - time.Second).Abs() > 5001*time.Microsecond {
					t.Fatalf("a second became %v", step)
				}
				last = now
			}
			if lack := time.Until(k.Now()) - (10*time.Second + correction); lack.Abs() > time.Microsecond {
				t.Errorf("after 200 s the clock is still off by %v", lack)
			}
			if _, after := k.Playout(); after != epoch {
				t.Error("a gradual correction began an epoch")
			}
			k.steer(k.says(20*time.Second, "a"))
			if _, after := k.Playout(); after == epoch {
				t.Error("a step began no epoch")
			}
		})
	}
}

func TestServerTimeDoesntBeatNTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(bubble(Config{}))
		k.ServerTime(time.Now().Add(2*time.Second), "a")
		if off := time.Until(k.Now()); off.Abs() > time.Millisecond || k.Trust() != TrustServer {
			t.Errorf("a difference below the resolution moved the clock by %v (%v)", off, k.Trust())
		}
		k.steer(k.says(time.Minute, "b"))
		k.ServerTime(time.Now(), "a")
		if s := k.Status(); s.Trust != TrustNTP || (s.Offset-time.Minute).Abs() > time.Millisecond || s.Source != "b" {
			t.Errorf("status %+v", s)
		}
	})
}

// The majority decides on the time of day, one server on playout, and nobody where two contradict each other.
func TestChoose(t *testing.T) {
	v := func(name string, offset, bound time.Duration, designated bool) voter {
		return voter{name: name, line: line{envelope.Estimate{Offset: offset, Bound: bound}, 0}, designated: designated}
	}
	ms := time.Millisecond
	for _, test := range []struct {
		name           string
		voters         []voter
		civil, playout time.Duration
		agreed         bool
		falsetickers   int
	}{
		{"one", []voter{v("a", 5*ms, ms, false)}, 5 * ms, 5 * ms, true, 0},
		{"two agree", []voter{v("a", 0, ms, false), v("b", ms, ms, true)}, ms, ms, true, 0},
		{"two contradict", []voter{v("a", 0, ms, false), v("b", 50*ms, ms, false)}, 0, 0, false, 0},
		{"designated of two that contradict", []voter{v("a", 0, ms, false), v("b", 50*ms, ms, true)}, 50 * ms, 50 * ms, false, 0},
		{"two against one", []voter{v("a", time.Hour, ms, true), v("b", ms, 2*ms, false), v("c", 2*ms, ms, false)}, 2 * ms, time.Hour, true, 1},
		{"the designated with the majority", []voter{v("a", time.Hour, ms, false), v("b", ms, 2*ms, true), v("c", 2*ms, ms, false)}, ms, ms, true, 1},
		{"two colluding of five", []voter{v("a", time.Hour, ms, false), v("b", time.Hour, ms, false), v("c", ms, 3*ms, true), v("d", 2*ms, ms, false), v("e", 0, 5*ms, false)}, ms, ms, true, 2},
		{"three that all differ", []voter{v("a", 0, ms, true), v("b", time.Hour, ms, false), v("c", -time.Hour, ms, false)}, 0, 0, false, 0},
		{"they touch", []voter{v("a", 0, ms, false), v("b", 2*ms, ms, false)}, 0, 0, true, 0},
	} {
		c := choose(test.voters, 0)
		wrong := 0
		for _, v := range test.voters {
			if v.verdict == verdictFalse {
				wrong++
			}
			if v.verdict == "" && len(test.voters) > 1 {
				t.Errorf("%s: no verdict on %s", test.name, v.name)
			}
		}
		if c.civil.Offset != test.civil || c.playout.Offset != test.playout || c.agreed != test.agreed || wrong != test.falsetickers {
			t.Errorf("%s: %v and %v, agreed %v, %d falsetickers", test.name, c.civil.Offset, c.playout.Offset, c.agreed, wrong)
		}
	}
}

// A name is resolved, an address is taken as it is, also one of IPv6 with a zone.
func TestResolve(t *testing.T) {
	for name, want := range map[string]string{"10.0.0.5:123": "10.0.0.5:123", "[fe80::1%eth0]:123": "[fe80::1%eth0]:123"} {
		if got, err := resolve(t.Context(), name); got != want || err != nil {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	got, err := resolve(t.Context(), "localhost:123")
	if a, failed := netip.ParseAddrPort(got); err != nil || failed != nil || !a.Addr().IsLoopback() || a.Port() != 123 {
		t.Errorf("localhost: %q, %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := resolve(ended, "no.such.host.invalid:123"); err == nil {
		t.Error("a name that isn't there was resolved")
	}
}

// The reference is the address of IPv4, and the start of the MD5 hash of one of IPv6 (that of ::1 was computed by another program).
func TestRefID(t *testing.T) {
	for addr, want := range map[string]uint32{"10.0.0.5:123": 0x0A000005, "[::ffff:10.0.0.5]:123": 0x0A000005, "[::1]:123": 0xCF404DC8, "": 0} {
		if got := refID(addr); got != want {
			t.Errorf("%s: %08x, want %08x", addr, got, want)
		}
	}
}

// A server that wants to be left alone is, whatever happens to the network.
func TestKissHolds(t *testing.T) {
	f := NewFollower(New(Config{}), nil)
	f.SetServers("10.0.0.5:123")
	s := f.sources[0]
	if wait, _ := s.took(sntp.Answer{}, &sntp.KissError{Code: "DENY"}); wait < denied*9/10 {
		t.Errorf("asked again after %v", wait)
	}
	f.Kick()
	f.forget()
	if s.left != 0 || len(s.wake) != 0 {
		t.Errorf("a burst of %d, woken %d times", s.left, len(s.wake))
	}
}
