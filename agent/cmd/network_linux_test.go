package cmd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine/agent"
	"vitrine/agent/protocol"
)

// newScreen is a lab with a server on host a and a viewer on host d, which plays.
func newScreen(t *testing.T) *pair {
	t.Helper()
	p := &pair{lab: newLab(t)}
	p.screen = p.host("d")
	s := newSite(t)
	p.main = serving{host: p.host("a"), hosts: "1", args: []string{"run", "--state", s.state, "--media", s.media, "--site", "e2e"}}
	p.main.start(t)
	p.main.process.await("The programme is up to date")
	p.viewer = start(t, p.screen.prefix(), "vitrine", "run", "--config", settings(t), "--state", t.TempDir(), "--name", "screen", "--token-file", s.token(t))
	got := p.screen.await("connected and playing", func(s agent.Status) bool { return connected(s) && playing(s) })
	p.generation = got.Content.Generation.String()
	return p
}

// noticed is by when a server that can't be heard any more must be given up: one and a half keepalives, and what a busy machine adds.
const noticed = (testKeepAlive*3/2 + 4) * time.Second

// firewall loads rules into the viewer's machine.
func (p *pair) firewall(t *testing.T, chain, rule string) {
	t.Helper()
	needProgram(t, "nft", "nftables")
	for _, line := range []string{
		"add table inet test",
		fmt.Sprintf("add chain inet test %s { type filter hook %s priority 0; }", chain, chain),
		fmt.Sprintf("add rule inet test %s %s", chain, rule),
	} {
		command(t, append(p.screen.prefix(), "nft", line)...)
	}
}

func (p *pair) noFirewall(t *testing.T) {
	t.Helper()
	command(t, append(p.screen.prefix(), "nft", "delete table inet test")...)
}

// Packets get lost in one direction or the other, or are answered by a firewall's RST; or the cable is pulled. The viewer notices, says so, plays
// on, and is back by itself. What happened meanwhile is told once.
func TestNetworkFails(t *testing.T) {
	t.Parallel()
	p := newScreen(t)
	wakes := 0
	for _, fault := range []struct {
		name  string
		begin func(*testing.T)
		end   func(*testing.T)
		says  string
	}{
		{"nothing arrives", func(t *testing.T) { p.firewall(t, "input", "tcp sport 7237 drop") }, p.noFirewall, "does"},
		{"nothing leaves", func(t *testing.T) { p.firewall(t, "output", "tcp dport 7237 drop") }, p.noFirewall, "does"},
		{"a firewall resets", func(t *testing.T) { p.firewall(t, "output", "tcp dport 7237 reject with tcp reset") }, p.noFirewall, "refused the connection"},
		{
			"the cable is pulled", func(t *testing.T) { command(t, "ip", "-n", p.screen.name, "link", "set", "eth0", "down") },
			func(t *testing.T) { command(t, "ip", "-n", p.screen.name, "link", "set", "eth0", "up") }, "can't be reached",
		},
	} {
		t.Run(fault.name, func(t *testing.T) {
			p.t, p.screen.t = t, t
			fault.begin(t)
			began := time.Now()
			p.screen.await("without a session", func(s agent.Status) bool { return !connected(s) })
			if took := time.Since(began); took > noticed {
				t.Errorf("it was noticed after %v", took)
			}
			p.awaitState(protocol.StateOffline, nil, fault.says)
			// Something happens that the server can't be told now.
			command(t, append(p.screen.prefix(), program("vitrine"), "wake", "--broadcast", "127.0.0.1", p.mac())...)
			wakes++
			p.screen.await("keeping the event", func(s agent.Status) bool { return s.Session.Waiting > 0 })
			fault.end(t)
			p.awaitState(protocol.StateConnected, &p.main, "")
			p.screen.await("rid of the event", func(s agent.Status) bool { return s.Session.Waiting == 0 && s.Session.Lost == 0 })
			if n := p.main.countOf("A viewer says: woken by"); n != wakes {
				t.Errorf("%d events were told, want %d", n, wakes)
			}
		})
	}
}

// mac is the viewer's hardware address.
func (p *pair) mac() string {
	return p.screen.mac()
}

// The viewer gets another address, as by DHCP, and then the server does.
func TestAddressChanges(t *testing.T) {
	p := newScreen(t)
	change := func(h host, number string) {
		t.Helper()
		command(t, "ip", "-n", h.name, "address", "flush", "dev", "eth0")
		command(t, "ip", "-n", h.name, "address", "add", "10.77.0."+number+"/24", "dev", "eth0")
	}
	change(p.screen, "44")
	p.viewer.await("The network has changed")
	p.awaitState(protocol.StateConnected, &p.main, "")
	change(p.host("a"), "11")
	p.main.hosts = "11"
	p.awaitState(protocol.StateConnected, &p.main, "")
}

// dnsScript answers every question with one address.
const dnsScript = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.78.0.1", 53))
print("ready", flush=True)
address = socket.inet_aton(sys.argv[1])
while True:
    q, peer = s.recvfrom(512)
    end = 12
    while q[end]: end += q[end] + 1
    question = q[12:end + 5]
    isA = question[-4:-2] == b"\0\1"
    a = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + address if isA else b""
    s.sendto(q[:2] + b"\x84\0\0\1" + (b"\0\1" if isA else b"\0\0") + b"\0\0\0\0" + question + a, peer)`

// A server that is known by its name alone, behind a router. While the DNS server is away the name's last address will do; a viewer that was
// started meanwhile says what it lacks, and goes on when it is there.
func TestNamesFail(t *testing.T) {
	needProgram(t, "python3", "python3-minimal")
	p := &pair{lab: newLab(t)}
	p.screen = p.host("e")
	resolver := filepath.Join("/etc/netns", p.screen.name)
	if err := os.MkdirAll(resolver, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(resolver) })
	if err := os.WriteFile(filepath.Join(resolver, "resolv.conf"), []byte("nameserver 10.78.0.1\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dns := p.screen.peer("python3", "-c", dnsScript, "10.77.0.1")
	awaitLine(t, dns, "ready")
	s := newSite(t)
	p.main = serving{host: p.host("a"), hosts: "1", args: []string{"run", "--state", s.state, "--media", s.media, "--site", "e2e"}}
	p.main.start(t)
	p.main.process.await("The programme is up to date")
	run := []string{"run", "--config", settings(t, `servers = ["signage.test"]`), "--state", t.TempDir(), "--token-file", s.token(t)}
	p.viewer = start(t, p.screen.prefix(), "vitrine", run...)
	named := func(s agent.Status) bool {
		return connected(s) && playing(s) && s.Session.Server == "signage.test:7237"
	}
	p.generation = p.screen.await("connected by name", named).Content.Generation.String()

	dns.kill()
	p.main.kill()
	p.screen.await("offline", func(s agent.Status) bool { return !connected(s) })
	p.main.start(t)
	p.viewer.await("The server's name can't be resolved; trying its last address")
	p.screen.await("connected without DNS", connected)

	p.viewer.kill()
	run[4] = t.TempDir() // a new viewer
	p.viewer = start(t, p.screen.prefix(), "vitrine", run...)
	p.screen.await("without a name server", func(s agent.Status) bool {
		return strings.Contains(s.Session.Error, "the name signage.test can't be looked up: the DNS server does not answer")
	})
	awaitLine(t, p.screen.peer("python3", "-c", dnsScript, "10.77.0.1"), "ready")
	p.screen.await("connected by name", connected)
}
