package cmd_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// needProgram skips a test that lacks a program of another author, and in CI fails it.
func needProgram(t testing.TB, name, pack string) {
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

// find asks until some device is there: others take their time to start. It gives each round 700 ms, unless args say more.
func (h host) find(ok func(listed) bool, args ...string) listed {
	h.t.Helper()
	var list []listed
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		list = h.discover(append([]string{"--timeout", "700ms"}, args...)...)
		for _, d := range list {
			if ok(d) {
				return d
			}
		}
	}
	h.t.Fatalf("not found; there is %+v", list)
	return listed{}
}

// A peer is a program of another author that runs on a host. Its lines are read as they come.
type peer struct {
	*bufio.Scanner
	pipe *io.PipeReader
	// kill ends it at once, and waits for that.
	kill func()
}

// peer starts a program for the length of a test. Whoever doesn't want its lines discards them: it waits until they are read.
func (h host) peer(argv ...string) peer {
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
	kill := func() {
		_ = c.Process.Kill() // it may have ended by itself
		r.Close()
		<-ended
	}
	h.t.Cleanup(kill)
	return peer{bufio.NewScanner(r), r, kill}
}

// discard reads on, so that a program that writes much isn't held up. It ends with the peer.
func discard(p peer) {
	go func() {
		for p.Scan() {
		}
	}()
}

// awaitLine reads until a line has all of these in it. A peer that says nothing more is given up in the end.
func awaitLine(t testing.TB, p peer, parts ...string) string {
	t.Helper()
	late := time.AfterFunc(patience, func() { p.pipe.Close() })
	defer late.Stop()
	var seen []string
	for p.Scan() {
		seen = append(seen, p.Text())
		if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(p.Text(), part) }) {
			return p.Text()
		}
	}
	t.Fatalf("no line has %q:\n%s", parts, strings.Join(seen, "\n"))
	return ""
}

// Two programs that play a Windows computer, each in one IP version alone: wsdd, which answers without an address and only
// to its type, and wsdd2, which answers everything. Both end their addresses with their id, which wsdd2 takes from the
// machine. Over IPv6 wsdd2 says the host's name only, whatever its option -H, so what follows it in the list is not from
// wsdd2: it is where the answer came from.
func TestDiscoverAllFindsOtherResponders(t *testing.T) {
	needProgram(t, "wsdd", "wsdd")
	needProgram(t, "wsdd2", "wsdd2")
	l := newLab(t)
	device, desk := l.host("a"), l.host("b")
	const (
		id   = "3c5a1f0e-8d0b-4c55-9a3e-5f1f3a7c9b21"
		name = "echo fileserver >/proc/sys/kernel/hostname && exec " // in a namespace for that alone
	)
	for title, test := range map[string]struct {
		argv   []string
		epr    string // or the start of it
		from   string
		xaddrs []string // before the id
	}{
		"wsdd over IPv4":  {[]string{"wsdd", "-4", "-i", "eth0", "-U", id}, "urn:uuid:" + id, "10.77.0.1", []string{"http://10.77.0.1:5357/"}},
		"wsdd over IPv6":  {[]string{"wsdd", "-6", "-i", "eth0", "-U", id}, "urn:uuid:" + id, "fe80::1", []string{"http://[fe80::1%25eth0]:5357/"}},
		"wsdd2 over IPv4": {[]string{"unshare", "--uts", "sh", "-c", name + "wsdd2 -4 -w -i eth0"}, "urn:uuid:", "10.77.0.1", []string{"http://10.77.0.1:3702/"}},
		"wsdd2 over IPv6": {[]string{"unshare", "--uts", "sh", "-c", name + "wsdd2 -6 -w -i eth0"}, "urn:uuid:", "fe80::1", []string{"http://fileserver:3702/", "http://[fe80::1%25eth0]:3702/"}},
	} {
		t.Run(title, func(t *testing.T) {
			device.t, desk.t = t, t
			discard(device.peer(test.argv...))
			// A Resolve gets the address of one that answers without.
			d := desk.find(func(d listed) bool { return strings.HasPrefix(strings.Join(d.XAddrs, " "), test.xaddrs[0]) }, "--all")
			var want []string
			for _, start := range test.xaddrs {
				want = append(want, start+strings.TrimPrefix(d.EPR, "urn:uuid:"))
			}
			from, err := netip.ParseAddrPort(d.From)
			if err != nil || from.Addr().WithZone("").String() != test.from || d.Version != "2005/04" || d.Interface != "eth0" ||
				!strings.HasPrefix(d.EPR, test.epr) || len(d.EPR) != len("urn:uuid:"+id) || !slices.Equal(d.XAddrs, want) ||
				!strings.Contains(strings.Join(d.Types, " "), "}Computer") {
				t.Errorf("found %+v, want addresses %q", d, want)
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

// buildTarget compiles the program of testdata/gsoap, whose messages are all written and read by gSOAP's own plugin.
func buildTarget(t *testing.T) string {
	t.Helper()
	needProgram(t, "soapcpp2", "gsoap, and libgsoap-dev")
	needProgram(t, "cc", "gcc, and libc6-dev")
	const share = "/usr/share/gsoap/" // of Debian's gsoap
	dir := t.TempDir()
	header, binary := filepath.Join(dir, "discovery.h"), filepath.Join(dir, "target")
	if err := os.WriteFile(header, []byte("#import \"wsdd.h\"\n"), 0o600); err != nil { // which is version 1.1
		t.Fatal(err)
	}
	// -2 is SOAP 1.2. The library was built with both options of -D, on which the layout of its structures depends.
	command(t, "soapcpp2", "-2", "-c", "-x", "-L", "-I"+share+"import:"+share, "-d", dir, header)
	argv := []string{"cc", "-DWITH_IPV6", "-DWITH_DOM", "-I", dir, "-I", share + "plugin", "-o", binary, "testdata/gsoap/target.c"}
	for _, generated := range []string{"soapC.c", "soapServer.c", "soapClient.c"} {
		argv = append(argv, filepath.Join(dir, generated))
	}
	for _, plugin := range []string{"wsddapi.c", "wsaapi.c", "threads.c"} {
		argv = append(argv, share+"plugin/"+plugin)
	}
	command(t, append(argv, "-lgsoap")...)
	return binary
}

// wsdd and wsdd2 speak the version of 2005 only. A target made of gSOAP speaks 1.1, answers from another port each time, and
// tells its address to a Resolve only. One in each IP version, so that each is found by that one. It answers one request after
// the other, each after up to half a second, which is why a round has the time for all of them.
func TestDiscoverAllFindsTargetsOfVersion11(t *testing.T) {
	target := buildTarget(t)
	l := newLab(t)
	type device struct{ host, version, epr, from, xaddr string }
	devices := []device{
		{"a", "4", "urn:uuid:0f1c2d3e-4a5b-4c6d-8e7f-000000000004", "10.77.0.1", "http://10.77.0.1:8080/"},
		{"c", "6", "urn:uuid:0f1c2d3e-4a5b-4c6d-8e7f-000000000006", "fe80::3", "http://[fd77::3]:8080/"},
	}
	for _, d := range devices {
		p := l.host(d.host).peer(target, d.version, "eth0", d.epr, "wsdd:TargetService", d.xaddr)
		awaitLine(t, p, "ready")
		discard(p)
	}
	found := map[string]listed{}
	l.host("b").find(func(d listed) bool {
		if len(d.XAddrs) > 0 {
			found[d.EPR] = d
		}
		return len(found) == len(devices)
	}, "--all", "--timeout", "4s")
	for _, want := range devices {
		got := found[want.epr]
		from, err := netip.ParseAddrPort(got.From)
		if err != nil || from.Addr().WithZone("").String() != want.from || from.Port() == 3702 || got.Version != "1.1" || got.Interface != "eth0" ||
			!slices.Equal(got.XAddrs, []string{want.xaddr}) || !slices.Equal(got.Types, []string{"{http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01}TargetService"}) {
			t.Errorf("found %+v, want %+v", got, want)
		}
	}
}
