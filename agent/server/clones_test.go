package server_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/server"
)

// A copy of a viewer's disk in another machine is refused while the viewer is there, which keeps its session, and both ends have a fault. After the
// copy was approved as a viewer of its own there are two.
func TestClone(t *testing.T) {
	state := t.TempDir()
	s, _ := start(t, config(t, state))
	addr := s.Addr().String()
	dir := t.TempDir()
	original := enrolledIn(t, s, dir, "lobby")
	first, _ := connectOn(t, "machine one", original, addr, nil)
	first.await(t, protocol.StateConnected)
	control := server.NewControl(state)
	awaitOnline(t, control, true)
	since := first.Status().Since

	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	clone := opened(t, copied)
	second, stop := connectOn(t, "machine two", clone, addr, nil)
	refused := second.await(t, protocol.StateOffline)
	if !strings.Contains(refused.Error, "another machine uses the identity of viewer lobby: this disk is a copy") {
		t.Errorf("the copy is told %q", refused.Error)
	}
	stop()
	if status := first.Status(); status.State != protocol.StateConnected || status.Since != since {
		t.Errorf("the viewer itself lost its session: %+v", status)
	}
	viewers, err := control.Viewers(t.Context())
	if err != nil || len(viewers) != 1 || viewers[0].Fault == nil || viewers[0].Fault.Code != protocol.FaultCloned || !strings.Contains(viewers[0].Fault.Message, "two machines use the identity of viewer lobby") {
		t.Errorf("the server says %+v, %v", viewers, err)
	}

	err = clone.Renew(t.Context(), addr, protocol.Device{Fingerprint: "machine two"}, now)
	if r, ok := errors.AsType[*identity.RefusedError](err); !ok || !r.Cloned {
		t.Errorf("a renewal: %v", err)
	}
	if err := original.Renew(t.Context(), addr, protocol.Device{Fingerprint: "machine one"}, now); err != nil {
		t.Errorf("a renewal of the viewer itself: %v", err)
	}
	code, err := pair(t, clone, addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Site().Approve(code, "hall", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := pair(t, clone, addr); err != nil {
		t.Fatal(err)
	}
	third, _ := connectOn(t, "machine two", clone, addr, nil)
	third.await(t, protocol.StateConnected)
}

// A copy asks again and again for the identity of a viewer, and doesn't get it because that one is switched off for the night. A machine that has changed does
// after a while, though its former session was thought to be there still when it first came.
func TestCopyOfWhatSleeps(t *testing.T) {
	v := server.Viewer{ID: "a", Name: "lobby"}
	began := time.Now()
	for name, test := range map[string]struct {
		// heard is until when the viewer itself is heard, and want after how long another machine gets the identity.
		heard, want time.Duration
	}{
		"the same machine, changed": {time.Minute, 11 * time.Minute},
		"a copy beside it":          {8 * time.Hour, 80 * time.Hour},
	} {
		var m server.Machines
		if err := m.Connect(v, "one", "10.0.0.5:1234", false, began); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(0)
		for ; after < 100*time.Hour; after += time.Minute {
			there := after <= test.heard
			if there {
				m.Alive("a", began.Add(after))
			}
			if m.Connect(v, "two", "10.0.0.6:1234", there, began.Add(after)) == nil {
				break
			}
		}
		if after != test.want {
			t.Errorf("%s: it has the identity after %v; want %v", name, after, test.want)
		}
	}
}

// A machine of which a part comes and goes, such as an adapter that is found too late at some starts, isn't two machines.
func TestAdapterThatComesAndGoes(t *testing.T) {
	var m server.Machines
	v := server.Viewer{ID: "a", Name: "lobby"}
	began := time.Now()
	for _, step := range []struct {
		machine string
		after   time.Duration
		refused bool
	}{
		{"with it", -58 * time.Minute, false},
		{"without", time.Minute, true},
		{"with it", 2 * time.Minute, false},
		{"without", 61 * time.Minute, true},
		{"without", 71 * time.Minute, false},
	} {
		if err := m.Connect(v, step.machine, "10.0.0.5:1234", false, began.Add(step.after)); (err != nil) != step.refused {
			t.Errorf("%s after %v: %v", step.machine, step.after, err)
		}
		if step.machine == "with it" {
			m.Alive("a", began.Add(step.after).Add(58*time.Minute))
		}
	}
}

// A machine that the site takes for a viewer that it knows, after it was refused as a copy, doesn't wait for approval any more.
func TestTakenBack(t *testing.T) {
	state := t.TempDir()
	s, stop := start(t, config(t, state))
	id := enrolledIn(t, s, t.TempDir(), "lobby")
	before, after := protocol.Device{Fingerprint: "before"}, protocol.Device{Fingerprint: "with an adapter"}
	if err := id.Renew(t.Context(), s.Addr().String(), before, now); err != nil {
		t.Fatal(err)
	}
	err := id.Renew(t.Context(), s.Addr().String(), after, now)
	if r, ok := errors.AsType[*identity.RefusedError](err); !ok || !r.Cloned {
		t.Fatalf("at once: %v", err)
	}
	waits := func(asking *identity.Identity, device protocol.Device) {
		t.Helper()
		err := asking.Pair(t.Context(), s.Addr().String(), "lobby", device, now)
		if _, ok := errors.AsType[*identity.PendingError](err); !ok {
			t.Fatal(err)
		}
	}
	waits(id, after)
	waits(opened(t, t.TempDir()), protocol.Device{Fingerprint: "of another"})
	stop() // with what the server knew of when it heard of whom
	s, _ = start(t, config(t, state))
	if err := id.Renew(t.Context(), s.Addr().String(), after, now); err != nil {
		t.Fatal(err)
	}
	if left, err := s.Site().Waiting(); len(left) != 1 || left[0].Device.Fingerprint != "of another" || err != nil {
		t.Errorf("there wait %+v, %v", left, err)
	}
}

// A disk that is put into another machine, long after the one that it was in has fallen silent, belongs there from then on; that is said.
func TestMovedDisk(t *testing.T) {
	var m server.Machines
	v := server.Viewer{ID: "a", Name: "lobby"}
	began := time.Now()
	connect := func(machine string, online bool, after time.Duration) error {
		return m.Connect(v, machine, "10.0.0.5:1234", online, began.Add(after))
	}
	for _, step := range []struct {
		machine string
		online  bool
		after   time.Duration
		refused bool
		fault   string
	}{
		{"one", false, 0, false, ""},
		{"one", true, time.Minute, false, ""}, // its own connection was cut without a word
		{"two", false, 9 * time.Minute, true, "the one at 10.0.0.5 was refused"},
		{"two", true, 2 * time.Hour, true, "was refused"}, // a session says nothing for hours
		{"two", false, 3 * time.Hour, false, "is in another machine now, at 10.0.0.5"},
		{"one", false, 3*time.Hour + time.Minute, true, "was refused"},
		{"", true, 3*time.Hour + time.Minute, false, "was refused"}, // it doesn't say on which
	} {
		err := connect(step.machine, step.online, step.after)
		f, ok := m.Of("a", began.Add(step.after))
		if (err != nil) != step.refused || ok != (step.fault != "") || !strings.Contains(f.Message, step.fault) {
			t.Errorf("machine %s after %v: %v, fault %q", step.machine, step.after, err, f.Message)
		}
	}
	if _, ok := m.Of("a", began.Add(48*time.Hour)); ok {
		t.Error("the fault stays for ever")
	}
}
