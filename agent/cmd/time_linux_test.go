package cmd_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// vitrine runs our program on a host, and gives what it prints.
func (h host) vitrine(args ...string) string {
	h.t.Helper()
	argv := append(h.prefix(), append([]string{program("vitrine")}, args...)...)
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// A viewer asks the server of its session and those that are set up, says what it thinks of each, and gives the time to its neighbours.
func TestTimeOfNeighbours(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	giver, taker := l.host("b"), l.host("c")
	start(t, giver.prefix(), "vitrine", "run", "--config", settings(t, "[clock]", "serve = 123"), "--state", t.TempDir(), "--token-file", s.token(t), "--name", "giver")
	measured := func(s agent.Status) bool { return s.Clock.Trust == "ntp" && s.Clock.Error > 0 }
	giver.await("sure of the time", measured)
	start(t, taker.prefix(), "vitrine", "run", "--config", settings(t, "[clock]", `servers = ["10.77.0.2", "10.77.0.9"]`), "--state", t.TempDir(), "--token-file", s.token(t), "--name", "taker")
	taker.await("sure of the time, by both", func(s agent.Status) bool {
		if !measured(s) || len(s.Clock.Sources) != 3 {
			return false
		}
		server, neighbour, nobody := s.Clock.Sources[0], s.Clock.Sources[1], s.Clock.Sources[2]
		return server.Verdict == "used" && neighbour.Verdict == "agrees" && neighbour.Stratum == server.Stratum+1 && nobody.Reach == 0 && nobody.Verdict != ""
	})
	// All hosts have one clock, so that the truth is known.
	status, err := taker.status()
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(status.Clock.Offset) > status.Clock.Error || math.Abs(status.Clock.Offset) > 0.02 {
		t.Errorf("%+v", status.Clock)
	}
	if out := taker.vitrine("time"); !strings.Contains(out, "10.77.0.2:123: agrees") || !strings.Contains(out, "10.77.0.9:123: ") {
		t.Errorf("it says\n%s", out)
	}
	var c protocol.ClockStatus
	if err := json.Unmarshal([]byte(taker.vitrine("time", "--json")), &c); err != nil || c.Trust != "ntp" || len(c.Sources) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	if out := taker.vitrine("time", "--server", "10.77.0.2", "--samples", "2"); !strings.Contains(out, "(2 of 2 answers, stratum 11)") {
		t.Errorf("it says\n%s", out)
	}
	watching := exec.Command(taker.prefix()[0], append(taker.prefix()[1:], program("vitrine"), "time", "--watch", "--json")...)
	out, err := watching.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(out)
	for range 2 {
		if err := decoder.Decode(&c); err != nil {
			t.Error(err)
		}
	}
	if err := watching.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := watching.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// The system clock is left to the program that keeps it; without one it is the viewer's to keep, and if it has no right to that it says so, and plays.
func TestSystemClockIsLeftAlone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	needProgram(t, "chronyd", "chrony")
	dir := shortDir(t)
	viewer := l.host("b")
	// Among processes of its own, since chronyd may run for other tests; and without the right to set the clock, which is everybody's.
	prefix := append(viewer.prefix(), "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time",
		"sh", "-c", fmt.Sprintf(`chronyd -x -u root -f /dev/null "port 0" "cmdport 0" "bindcmdaddress %[1]s/cmd" "pidfile %[1]s/pid"; "$0" "$@"; exit`, dir))
	p := start(t, prefix, "vitrine", "run", "--config", settings(t, "[clock]", `discipline = "system"`), "--state", t.TempDir(), "--token-file", s.token(t), "--name", "screen")
	got := viewer.await("leaving the clock to chronyd", func(s agent.Status) bool {
		return playing(s) && s.Clock.Trust == "ntp" && strings.HasPrefix(s.Clock.System, "left to chronyd (process ")
	})
	if len(got.Faults) > 0 {
		t.Errorf("that is no fault: %+v", got.Faults)
	}
	if out := viewer.vitrine("time"); !strings.Contains(out, "System clock: left to chronyd") {
		t.Errorf("it says\n%s", out)
	}
	first, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	command(t, "nsenter", "--target", strings.TrimSpace(string(first)), "--pid", "--mount", "sh", "-c", fmt.Sprintf("kill $(cat %s/pid)", dir))
	viewer.await("saying that it has no right to the clock", func(s agent.Status) bool {
		return playing(s) && strings.Contains(s.Clock.System, "CAP_SYS_TIME") && len(s.Faults) == 1 && s.Faults[0].Code == "system-clock"
	})
}

// NTPsec's server, which `scripts/ntpsec` has put beside chrony, is measured over both families of addresses.
func TestFollowsNTPsec(t *testing.T) {
	root := os.Getenv("VITRINE_NTPSEC")
	if root == "" {
		root = "/var/cache/vitrine/ntpsec"
	}
	ntpd := root + "/usr/sbin/ntpd"
	needProgram(t, ntpd, "ntpsec, by scripts/ntpsec")
	l := newLab(t)
	server, client := l.host("a"), l.host("b")
	config := filepath.Join(t.TempDir(), "ntp.conf")
	if err := os.WriteFile(config, []byte("tos orphan 5 orphanwait 1\ndisable kernel\nrestrict default\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign(t, append(server.prefix(), "setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", ntpd, "-n", "-c", config)...)
	for _, addr := range []string{"10.77.0.1", "fd77::1"} {
		var m struct {
			Offset, Error float64
			Stratum       int
			Samples       int
		}
		awaitTrue(t, "time from NTPsec at "+addr, func() bool {
			out, err := exec.Command("ip", append(client.prefix()[1:], program("vitrine"), "time", "--server", addr, "--samples", "4", "--json")...).Output()
			return err == nil && json.Unmarshal(out, &m) == nil
		})
		if math.Abs(m.Offset) > m.Error || m.Error > 0.02 || m.Samples < 1 || m.Stratum != 5 {
			t.Errorf("%s: %+v", addr, m)
		}
	}
}
