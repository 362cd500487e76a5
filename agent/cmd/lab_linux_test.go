package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// listenScript prints what comes for a group and for the host; sendScript sends to a group, with hops enough to cross a
// router if one lets it, and then to a host.
const (
	listenScript = `import socket, struct, sys
group, eth0 = sys.argv[1], socket.if_nametoindex("eth0")
if ":" in group:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", eth0))
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("=4s4sI", socket.inet_aton(group), bytes(4), eth0))
s.bind(("", 3702))
print("ready", flush=True)
while True: print(s.recv(99).decode(), flush=True)`

	sendScript = `import socket, struct, sys
group, host, eth0 = sys.argv[1], sys.argv[2], socket.if_nametoindex("eth0")
if ":" in group:
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, eth0)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 8)
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("=4s4sI", bytes(4), bytes(4), eth0))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 8)
s.sendto(b"to the group", (group, 3702))
s.sendto(b"to the host", (host, 3702))`
)

// A multicast reaches the hosts of its own network, and none behind the router, although that one forwards. That it is
// late only is ruled out: what was sent after it, to the host itself, is there first.
func TestLabCarriesMulticastOnOneNetwork(t *testing.T) {
	needProgram(t, "python3", "python3-minimal")
	l := newLab(t)
	near, far := l.host("b"), l.host("e")
	for group, address := range map[string]string{"239.255.255.250": "10.78.0.1", "ff02::c": "fd78::1", "ff05::c": "fd78::1"} {
		t.Run(group, func(t *testing.T) {
			near.t, far.t = t, t
			beside, behind := near.peer("python3", "-c", listenScript, group), far.peer("python3", "-c", listenScript, group)
			awaitLine(t, beside, "ready")
			awaitLine(t, behind, "ready")
			command(t, append(l.host("a").prefix(), "python3", "-c", sendScript, group, address)...)
			awaitLine(t, beside, "to the group")
			if first := awaitLine(t, behind, "to the"); first != "to the host" {
				t.Errorf("behind the router came %q", first)
			}
		})
	}
}

// A name is one lab's: whoever wants it meanwhile is told so, and takes nothing away from the one that is there.
func TestLabNameIsTakenOnce(t *testing.T) {
	needRoot(t)
	name := fmt.Sprintf("vt%d-once", os.Getpid())
	t.Cleanup(func() { command(t, labScript, "--name", name, "down") })
	results := make(chan error)
	for range 2 {
		go func() { results <- exec.Command(labScript, "--name", name, "up").Run() }()
	}
	if first, second := <-results, <-results; (first == nil) == (second == nil) {
		t.Errorf("of two at once by one name: %v, %v", first, second)
	}
	out, err := exec.Command(labScript, "--name", name, "up").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is up already") || !strings.Contains(string(out), "--name "+name+" down") {
		t.Errorf("a second time: %v, %s", err, out)
	}
	for _, h := range []string{"a", "b", "c", "d", "r", "e", "f"} {
		command(t, labScript, "--name", name, "exec", h, "true")
	}
	newLab(t) // beside it
}

// A lab that can't be built whole leaves nothing.
func TestLabThatFailsLeavesNothing(t *testing.T) {
	needRoot(t)
	name := fmt.Sprintf("vt%d-fails", os.Getpid())
	t.Cleanup(func() { command(t, labScript, "--name", name, "down") })
	command(t, "ip", "netns", "add", name+"-f") // the last that it makes
	if out, err := exec.Command(labScript, "--name", name, "up").CombinedOutput(); err == nil {
		t.Errorf("it is up: %s", out)
	}
	if left := command(t, "ip", "netns", "list"); strings.Contains(left, name) {
		t.Errorf("there is %s", left)
	}
}

// What still runs keeps its network, which then has no name to find it by: down says it, and ends nothing, since it can't
// know whose it is. A test that looks at a switch by a thread of its own is itself one of these.
func TestLabDownSaysWhatStillRuns(t *testing.T) {
	l := newLab(t)
	p := l.host("a").peer("sh", "-c", "echo $$; exec sleep 1000")
	pid := awaitLine(t, p, "")
	if out := command(t, labScript, "--name", l.name, "down"); !strings.Contains(out, "still running on a of lab") || !strings.Contains(out, "process "+pid+"\n") {
		t.Errorf("down says %q, of process %s", out, pid)
	}
	if err := exec.Command("kill", "-0", pid).Run(); err != nil {
		t.Errorf("process %s was ended: %v", pid, err)
	}
}
