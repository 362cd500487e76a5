package cmd_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// needProgram skips a test that lacks a program of another author, and in CI fails it.
func needProgram(t *testing.T, name, pack string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing (Debian package %s)", name, pack)
	}
	t.Skipf("%s is missing (Debian package %s)", name, pack)
}

// listed is what `vitrine discover --json` says of a device.
type listed struct {
	EPR, Version, Interface, From, Name, Site, Role string
	XAddrs                                          []string
	Types                                           []string
	Rank                                            int
}

// discover runs `vitrine discover --json` on a host.
func (h host) discover(args ...string) []listed {
	h.t.Helper()
	full := append(append(h.prefix(), program("vitrine"), "discover", "--json"), args...)
	out, err := exec.Command(full[0], full[1:]...).Output()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", strings.Join(full, " "), err, out)
	}
	var list []listed
	if err := json.Unmarshal(out, &list); err != nil {
		h.t.Fatalf("%v: %s", err, out)
	}
	return list
}

// find asks until some device is there: others take their time to start.
func (h host) find(ok func(listed) bool, args ...string) listed {
	h.t.Helper()
	var list []listed
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		list = h.discover(append(args, "--timeout", "700ms")...)
		for _, d := range list {
			if ok(d) {
				return d
			}
		}
	}
	h.t.Fatalf("not found; there is %+v", list)
	return listed{}
}

// peer runs a program of another author on a host, and gives the lines that it writes. It is ended with the test.
func (h host) peer(argv ...string) *bufio.Scanner {
	h.t.Helper()
	full := append(h.prefix(), argv...)
	c := exec.Command(full[0], full[1:]...)
	r, w := io.Pipe()
	c.Stdout, c.Stderr, c.WaitDelay = w, w, time.Second
	if err := c.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It is killed at the end of the test.
		_ = c.Wait()
		w.Close()
	}()
	h.t.Cleanup(func() {
		_ = c.Process.Kill()
		r.Close()
		<-ended
	})
	return bufio.NewScanner(r)
}

// discard reads on, so that a program that writes much isn't held up. It ends with the peer.
func discard(s *bufio.Scanner) {
	go func() {
		for s.Scan() {
		}
	}()
}

// awaitLine reads until a line has all of these in it.
func awaitLine(t *testing.T, s *bufio.Scanner, parts ...string) string {
	t.Helper()
	var seen []string
	for s.Scan() {
		seen = append(seen, s.Text())
		found := true
		for _, part := range parts {
			found = found && strings.Contains(s.Text(), part)
		}
		if found {
			return s.Text()
		}
	}
	t.Fatalf("no line has %q:\n%s", parts, strings.Join(seen, "\n"))
	return ""
}

// Two programs that play a Windows computer, each in one IP version alone: wsdd, which answers without an address and only
// to its type, and wsdd2, which answers everything.
func TestDiscoverAllFindsOtherResponders(t *testing.T) {
	needProgram(t, "wsdd", "wsdd")
	needProgram(t, "wsdd2", "wsdd2")
	l := newLab(t)
	device, desk := l.host("a"), l.host("b")
	for name, test := range map[string]struct {
		argv  []string
		from  string
		xaddr string
	}{
		"wsdd over IPv4":  {[]string{"wsdd", "-4", "-i", "eth0", "-n", "fileserver"}, "10.77.0.1", "http://10.77.0.1:5357/"},
		"wsdd over IPv6":  {[]string{"wsdd", "-6", "-i", "eth0", "-n", "fileserver"}, "fe80::1", "http://[fe80::1%25eth0]:5357/"},
		"wsdd2 over IPv4": {[]string{"wsdd2", "-4", "-w", "-i", "eth0"}, "10.77.0.1", "http://10.77.0.1:3702/"},
		"wsdd2 over IPv6": {[]string{"wsdd2", "-6", "-w", "-i", "eth0"}, "fe80::1", "http://[fe80::1%25eth0]:3702/"},
	} {
		t.Run(name, func(t *testing.T) {
			device.t, desk.t = t, t
			discard(device.peer(test.argv...))
			// A Resolve gets the address of one that answers without.
			d := desk.find(func(d listed) bool { return strings.Contains(strings.Join(d.XAddrs, " "), test.xaddr) }, "--all")
			from, err := netip.ParseAddrPort(d.From)
			if err != nil || from.Addr().WithZone("").String() != test.from || d.Version != "2005/04" || d.Interface != "eth0" ||
				!strings.HasPrefix(d.EPR, "urn:uuid:") || !strings.Contains(strings.Join(d.Types, " "), "}Computer") {
				t.Errorf("found %+v", d)
			}
		})
	}
}

// wsdd as a client, which lists Windows computers, hears our server come.
func TestWsddFindsServer(t *testing.T) {
	needProgram(t, "wsdd", "wsdd")
	l := newLab(t)
	log := l.host("b").peer("wsdd", "--discovery", "--no-host", "-vvv", "-4", "-i", "eth0", "-t")
	awaitLine(t, log, "joined multicast group")
	// Its first seconds are a random wait, in which it hears nothing; its own Probe comes after that.
	awaitLine(t, log, "scheduling Probe")
	s := newSite(t)
	server := start(t, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "e2e")
	server.await("Serving viewers")
	d := l.host("c").find(func(listed) bool { return true })
	awaitLine(t, log, "Hello from "+d.EPR+" on mqtts://10.77.0.1:7237")
}
