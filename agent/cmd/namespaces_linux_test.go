package cmd_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
)

// needRoot skips a test that makes network namespaces, if that can't be done; in CI that is a failure.
func needRoot(t *testing.T) {
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

// A host is a network namespace with one cable to the bridge.
type host struct {
	t    *testing.T
	name string
}

// prefix runs a program on the host.
func (h host) prefix() []string { return []string{"ip", "netns", "exec", h.name} }

func command(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// bridge makes hosts that are joined by a bridge, which is in a namespace of its own so that nothing of this machine's
// network is touched. Host i has the address 10.77.8.i, and no route to anywhere else.
func bridge(t *testing.T, names ...string) []host {
	t.Helper()
	needRoot(t)
	const lan = "vt-lan"
	add := func(name string) {
		command(t, "ip", "netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		command(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	add(lan)
	command(t, "ip", "-n", lan, "link", "add", "br0", "type", "bridge")
	command(t, "ip", "-n", lan, "link", "set", "br0", "up")
	var hosts []host
	for i, name := range names {
		full := "vt-" + name
		add(full)
		port := "p" + string(rune('1'+i))
		command(t, "ip", "-n", full, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", lan)
		command(t, "ip", "-n", lan, "link", "set", port, "master", "br0", "up")
		command(t, "ip", "-n", full, "addr", "add", "10.77.8."+string(rune('1'+i))+"/24", "dev", "eth0")
		command(t, "ip", "-n", full, "link", "set", "eth0", "up")
		hosts = append(hosts, host{t, full})
	}
	return hosts
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
	hosts := bridge(t, "server", "viewer")
	s := newSite(t)
	server := start(t, hosts[0].prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("The programme is up to date")
	token := s.token(t)
	state := t.TempDir()
	viewer := start(t, hosts[1].prefix(), "vitrine", "run", "--state", state, "--token-file", token, "--name", "screen")

	found := viewer.await("Found a server by a WS-Discovery probe")
	if found["server"] != "10.77.8.1:7237" || found["interface"] != "eth0" || found["site"] != "e2e" {
		t.Errorf("found %v", found)
	}
	got := hosts[1].await("playing with a measured clock", func(s agent.Status) bool {
		return connected(s) && playing(s) && s.Clock.Trust == "ntp"
	})
	if got.Session.Server != "10.77.8.1:7237" || got.Clock.Source != "10.77.8.1:123" {
		t.Errorf("status %+v", got)
	}

	out := command(t, append(hosts[1].prefix(), program("vitrine"), "discover", "--json", "--timeout", "500ms")...)
	if !strings.Contains(out, `"10.77.8.1:7237"`) {
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
	hosts := bridge(t, "server", "viewer")
	for _, h := range hosts {
		command(t, "ip", "-n", h.name, "-4", "addr", "flush", "dev", "eth0")
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
