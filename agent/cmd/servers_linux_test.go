package cmd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A server behind a router is found only by who asks it directly, and answers only networks that it was told of; a multicast
// doesn't get there.
func TestDiscoverAcrossRouter(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	far, desk := l.host("e"), l.host("a")
	run := []string{"run", "--state", s.state, "--media", s.media, "--site", "e2e"}
	server := start(t, far.prefix(), "vitrine-server", run...)
	server.await("Serving viewers")
	for _, args := range [][]string{{"--timeout", "500ms"}, {"--host", "10.78.0.1", "--timeout", "500ms"}} {
		argv := append(append(desk.prefix(), program("vitrine"), "discover"), args...)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err == nil || !strings.Contains(string(out), "nobody answered") {
			t.Errorf("%q: %v, %s", args, err, out)
		}
	}
	server.kill()
	start(t, far.prefix(), "vitrine-server", append(run, "--probes-from", "10.77.0.0/24", "--probes-from", "fd77::/64")...).await("Serving viewers")
	for _, host := range []string{"10.78.0.1", "fd78::1", "10.78.0.0/28", "[fd78::1]:3702"} {
		list := desk.discover("--host", host, "--timeout", "1s")
		if len(list) != 1 || list[0].Site != "e2e" || list[0].Interface != "" || !strings.Contains(strings.Join(list[0].XAddrs, " "), "78") {
			t.Errorf("%s: found %+v", host, list)
		}
	}
}

// A viewer takes the server that is for it: of two main servers the one of its own location, and no backup, in whatever
// order they answer. The command says why.
func TestServersAreRanked(t *testing.T) {
	l := newLab(t)
	site := newSite(t)
	names := map[string][]string{
		"a": {"--name", "far", "--location", "building-b"},
		"b": {"--name", "near", "--location", "building-a/floor-2", "--priority", "9"},
		"c": {"--name", "spare", "--role", "backup", "--location", "building-a/floor-2"},
	}
	for host, args := range names {
		state := filepath.Join(t.TempDir(), host)
		argv := append([]string{"run", "--state", state, "--media", site.media, "--site", "e2e"}, args...)
		start(t, l.host(host).prefix(), "vitrine-server", argv...).await("Serving viewers")
	}
	desk := l.host("d")
	list := desk.discover("--location", "building-a/floor-2/lobby", "--timeout", "1s")
	var order []string
	for i, d := range list {
		order = append(order, d.Name)
		if d.Rank != i+1 {
			t.Errorf("%s has rank %d", d.Name, d.Rank)
		}
	}
	if !slices.Equal(order, []string{"near", "far", "spare"}) {
		t.Errorf("order %v", order)
	}
	argv := append(desk.prefix(), program("vitrine"), "discover", "-v", "--location", "building-a", "--timeout", "1s")
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	for _, want := range []string{"1. near: role main, priority 9, location building-a/floor-2", "2. far: ", "because it is at location building-b", "3. spare: ", "because it is in the role backup", "Datagrams: "} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%q is not in %s (%v)", want, out, err)
		}
	}
	// The location is a scope: whoever asks for a part of it finds what is below.
	if list := desk.discover("--scope", "vitrine://e2e/location/building-a", "--timeout", "700ms"); len(list) != 2 {
		t.Errorf("in building-a there is %+v", list)
	}
}

// A viewer can be found by its peers, and is listed by its name, with or without a server; unless its settings want no peers.
func TestViewerCanBeFound(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	for host, peers := range map[string]bool{"b": true, "c": false} {
		settings := filepath.Join(t.TempDir(), "vitrine.toml")
		content := fmt.Sprintf("name = \"screen %s\"\nlocation = \"lobby\"\n[content]\npeers = %v\n", host, peers)
		if err := os.WriteFile(settings, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		start(t, l.host(host).prefix(), "vitrine", "run", "--config", settings, "--state", t.TempDir(), "--token-file", s.token(t))
		l.host(host).await("connected", connected)
	}
	d := l.host("d").find(func(listed) bool { return true }, "--viewers")
	if d.Name != "screen b" || d.Site != "e2e" || d.Rank != 0 {
		t.Errorf("found %+v", d)
	}
	if list := l.host("d").discover("--all", "--timeout", "1s"); len(list) != 2 {
		t.Errorf("want the server and one viewer, found %+v", list)
	}
}

// A Bye that somebody forged in the server's name costs the session nothing: the server itself is asked.
func TestForgedByeEndsNothing(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	server := start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("The programme is up to date")
	screen := l.host("b")
	viewer := start(t, screen.prefix(), "vitrine", "run", "--log", "debug", "--state", t.TempDir(), "--token-file", s.token(t))
	before := screen.await("connected", connected)
	epr := l.host("c").find(func(listed) bool { return true }).EPR
	forge := `import socket,sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.3"))
s.sendto(sys.argv[1].encode(), ("239.255.255.250", 3702))`
	bye := `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:d="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01">` +
		`<e:Header><a:Action>http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/Bye</a:Action><a:MessageID>urn:uuid:9d3c7a0e-6f6b-4d54-8f0a-0c2f5e4b7a11</a:MessageID>` +
		`<a:To>urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01</a:To></e:Header><e:Body><d:Bye><a:EndpointReference><a:Address>` + epr +
		`</a:Address></a:EndpointReference></d:Bye></e:Body></e:Envelope>`
	command(t, append(l.host("c").prefix(), "python3", "-c", forge, bye)...)
	viewer.await("The server says bye")
	viewer.await("The server still answers")
	if after := screen.await("connected", connected); after.Session.Since != before.Session.Since {
		t.Errorf("the session is another one: %+v, before %+v", after.Session, before.Session)
	}
}

// What doesn't belong on the port is counted, and said once a minute at most.
func TestFloodIsSaidOnce(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	server := start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("Serving viewers")
	flood := `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(5000): s.sendto(b"<:/>", ("10.77.0.1", 3702))`
	command(t, append(l.host("b").prefix(), "python3", "-c", flood)...)
	said := server.await("Datagrams on the discovery port were dropped")
	if peer, _ := said["peer"].(string); !strings.HasPrefix(peer, "10.77.0.2:") || said["err"] == "" {
		t.Errorf("said %v", said)
	}
	// And who asks meanwhile is answered.
	if list := l.host("c").discover("--timeout", "1s"); len(list) != 1 {
		t.Errorf("found %+v", list)
	}
}

// A cable that is plugged in is a reason to look for the server at once, whatever the wait until the next try.
func TestCablePluggedIn(t *testing.T) {
	l := newLab(t)
	s := newSite(t)
	start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e").await("The programme is up to date")
	screen := l.host("b")
	cable := func(state string) { command(t, "ip", "-n", screen.name, "link", "set", "eth0", state) }
	cable("down")
	viewer := start(t, screen.prefix(), "vitrine", "run", "--state", t.TempDir(), "--token-file", s.token(t))
	viewer.await("No session with a server; what is on disk plays on")
	cable("up")
	viewer.await("The network has changed")
	screen.await("connected", connected)
}
