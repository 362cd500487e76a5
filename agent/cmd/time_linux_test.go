package cmd_test

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
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
