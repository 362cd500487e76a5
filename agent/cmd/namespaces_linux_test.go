package cmd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
)

// needRoot skips a test that makes network namespaces, if that can't be done; in CI that is a failure.
func needRoot(t testing.TB) {
	t.Helper()
	problem := ""
	if os.Geteuid() != 0 {
		problem = "network namespaces need root"
	} else if _, err := exec.LookPath("ip"); err != nil {
		problem = "the program ip is missing (package iproute2)"
	}
	switch {
	case problem == "":
	case os.Getenv("CI") != "":
		t.Fatal(problem)
	default:
		t.Skip(problem)
	}
}

// labScript builds labs.
const labScript = "../../scripts/lab"

// A lab is a network of hosts a to f, as scripts/lab says.
type lab struct {
	t    testing.TB
	name string
}

// newLab builds a lab for the length of a test.
func newLab(t testing.TB) lab {
	t.Helper()
	needRoot(t)
	l := lab{t, fmt.Sprintf("vt%d-%s", os.Getpid(), labName(t))}
	command(t, labScript, "--name", l.name, "up")
	t.Cleanup(func() { command(t, labScript, "--name", l.name, "down") })
	return l
}

// labName is a test's name, as far as the names of namespaces can have it.
func labName(t testing.TB) string {
	name := strings.TrimPrefix(strings.TrimPrefix(t.Name(), "Test"), "Benchmark")
	return strings.ReplaceAll(strings.ToLower(name), "/", "-")
}

// host is one of the lab's machines: a to d on 10.77.0.1 to 10.77.0.4, and e and f on 10.78.0.1 and 10.78.0.2.
func (l lab) host(letter string) host { return host{l.t, l.name + "-" + letter} }

// A host is one machine of a lab.
type host struct {
	t testing.TB
	// name is that of its network namespace.
	name string
}

// prefix runs a program on the host.
func (h host) prefix() []string { return []string{"ip", "netns", "exec", h.name} }

func command(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// status asks the viewer on a host, from that host.
func (h host) status() (agent.Status, error) {
	var out bytes.Buffer
	c := exec.Command("ip", append(h.prefix()[1:], program("vitrine"), "status", "--json")...)
	c.Stdout = &out
	var s agent.Status
	if err := c.Run(); err != nil {
		return s, err
	}
	return s, json.Unmarshal(out.Bytes(), &s)
}

func (h host) await(what string, ok func(agent.Status) bool) agent.Status {
	h.t.Helper()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for {
		s, err := h.status()
		if err == nil && ok(s) {
			return s
		}
		select {
		case <-poll.C:
		case <-deadline:
			h.t.Fatalf("the viewer is not %s: %+v, %v", what, s, err)
		}
	}
}

// Two hosts on one network, with the ports that the protocol says: found by multicast, and the whole job done.
func TestMainJobBetweenHosts(t *testing.T) {
	l := newLab(t)
	hosts := []host{l.host("a"), l.host("b")}
	s := newSite(t)
	server := start(t, hosts[0].prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("The programme is up to date")
	token := s.token(t)
	state := t.TempDir()
	// With what settings has, a cable that is pulled is noticed in time even by a viewer that has nothing to say meanwhile.
	viewer := start(t, hosts[1].prefix(), "vitrine", "run", "--config", settings(t), "--state", state, "--token-file", token, "--name", "screen")

	found := viewer.await("Found a server by a WS-Discovery probe")
	if found["interface"] != "eth0" || found["site"] != "e2e" {
		t.Errorf("found %v", found)
	}
	got := hosts[1].await("playing with a measured clock", func(s agent.Status) bool {
		return connected(s) && playing(s) && s.Clock.Trust == "ntp"
	})
	// Which of its addresses answers first is left to chance.
	host, port, err := net.SplitHostPort(got.Session.Server)
	if !slices.Contains([]string{"10.77.0.1", "fe80::1%eth0", "fd77::1"}, host) || port != "7237" || got.Clock.Source != net.JoinHostPort(host, "123") {
		t.Errorf("status %+v, %v", got, err)
	}

	out := command(t, append(hosts[1].prefix(), program("vitrine"), "discover", "--json", "--timeout", "500ms")...)
	if !strings.Contains(out, `"10.77.0.1:7237"`) {
		t.Errorf("discover: %s", out)
	}
	mac := strings.TrimSpace(command(t, append(hosts[1].prefix(), "cat", "/sys/class/net/eth0/address")...))
	command(t, append(hosts[0].prefix(), program("vitrine"), "wake", mac)...)
	if woken := viewer.await("Woken by a magic packet"); !strings.Contains(woken["via"].(string), "UDP") && !strings.Contains(woken["via"].(string), "frame") {
		t.Errorf("woken: %v", woken)
	}
	server.await("A viewer says: woken by a magic packet")

	// The cable is pulled and put back: what is on disk plays on, and the session comes back by itself.
	command(t, "ip", "-n", hosts[0].name, "link", "set", "eth0", "down")
	server.kill()
	hosts[1].await("offline", func(s agent.Status) bool { return !connected(s) && playing(s) })
	command(t, "ip", "-n", hosts[0].name, "link", "set", "eth0", "up")
	start(t, hosts[0].prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media)
	hosts[1].await("connected again", connected)
	if _, err := os.Stat(filepath.Join(state, "content", "generations.json")); err != nil {
		t.Error(err)
	}
}

// A network where nobody gives out addresses has IPv6 link-local ones only. They mean something on one interface, whose
// name is then a part of them ("%eth0"), which URLs write in another way than everything else.
func TestMainJobWithoutAddresses(t *testing.T) {
	l := newLab(t)
	hosts := []host{l.host("a"), l.host("b")}
	for _, h := range hosts {
		command(t, "ip", "-n", h.name, "addr", "flush", "dev", "eth0", "scope", "global")
	}
	s := newSite(t)
	server := start(t, hosts[0].prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("The programme is up to date")
	start(t, hosts[1].prefix(), "vitrine", "run", "--state", t.TempDir(), "--token-file", s.token(t), "--name", "screen")
	got := hosts[1].await("playing with a measured clock", func(s agent.Status) bool {
		return connected(s) && playing(s) && s.Clock.Trust == "ntp"
	})
	if !strings.HasPrefix(got.Session.Server, "[fe80::") || !strings.HasSuffix(got.Session.Server, "%eth0]:7237") {
		t.Errorf("connected to %s", got.Session.Server)
	}
}
