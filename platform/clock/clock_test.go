package clock

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

var build = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// A synctest bubble starts in 2000, so that the machine's clock there is one without a battery.
func TestBootWithoutClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock.json")
	synctest.Test(t, func(t *testing.T) {
		k := New(Config{Build: build, SavedFile: file})
		if got := k.Now(); got.Before(build) || got.After(build.Add(time.Second)) || k.Trust() != TrustUnset {
			t.Errorf("first boot: %v (%v), want the build date and unset", got, k.Trust())
		}
		last := build.Add(200 * time.Hour)
		k.ServerTime(last, "server:7237")
		if got := k.Now(); got.Sub(last).Abs() > time.Millisecond || k.Trust() != TrustServer {
			t.Errorf("after the server's word: %v (%v)", got, k.Trust())
		}
		if err := k.saved.store(last); err != nil {
			t.Fatal(err)
		}
		k = New(Config{Build: build, SavedFile: file})
		if got := k.Now(); got.Before(last) || k.Trust() != TrustSaved {
			t.Errorf("second boot: %v (%v), want the time saved", got, k.Trust())
		}
	})
}

func TestDamagedSavedTimeIsSetAside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock.json")
	if err := os.WriteFile(file, []byte(`{"time":`), 0o644); err != nil {
		t.Fatal(err)
	}
	if k := New(Config{Build: build, SavedFile: file}); k.Trust() != TrustRTC {
		t.Errorf("trust %v with a plausible system clock", k.Trust())
	}
}

func TestSmallCorrectionIsGradual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(Config{})
		k.measure(Measurement{Offset: 10 * time.Second, RTT: time.Millisecond})
		start := k.Now()
		if d := time.Until(start); d < 9*time.Second {
			t.Fatalf("the first measurement was not taken at once: %v", d)
		}
		k.measure(Measurement{Offset: 10*time.Second - 50*time.Millisecond, RTT: time.Millisecond})
		last := k.Now()
		if last.Before(start) {
			t.Errorf("a small correction moved the clock back by %v", start.Sub(last))
		}
		for range 200 {
			<-time.After(time.Second)
			now := k.Now()
			if step := now.Sub(last); step < time.Second-time.Millisecond || step > time.Second {
				t.Fatalf("a second became %v", step)
			}
			last = now
		}
		if lack := time.Until(k.Now()) - (10*time.Second - 50*time.Millisecond); lack.Abs() > time.Microsecond {
			t.Errorf("after 200 s the clock is still off by %v", lack)
		}
	})
}

func TestServerTimeDoesntBeatNTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := New(Config{})
		k.ServerTime(time.Now().Add(2*time.Second), "a")
		if off := time.Until(k.Now()); off.Abs() > time.Millisecond || k.Trust() != TrustServer {
			t.Errorf("a difference below the resolution moved the clock by %v (%v)", off, k.Trust())
		}
		k.measure(Measurement{Server: "b", Offset: time.Minute})
		k.ServerTime(time.Now(), "a")
		if s := k.Status(); s.Trust != TrustNTP || (s.Offset-time.Minute).Abs() > time.Millisecond || s.Source != "b" {
			t.Errorf("status %+v", s)
		}
	})
}
