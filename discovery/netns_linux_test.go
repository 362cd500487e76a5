package discovery

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"vitrine/discovery/wsd"
)

// A namespace is a host of its own: these tests use the real port, and nothing they send leaves this machine. Neither
// host has a default route.
type namespace string

// twoHosts gives hosts a and b of a lab, 10.77.0.1 and 10.77.0.2, as scripts/lab says.
func twoHosts(t testing.TB) (a, b namespace) {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, "root, to make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		unavailable(t, "the program ip (package iproute2)")
	}
	name := fmt.Sprintf("disc%d-%s", os.Getpid(), strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-"))
	run := func(verb string) {
		if out, err := exec.Command("../scripts/lab", "--name", name, verb).CombinedOutput(); err != nil {
			unavailable(t, fmt.Sprintf("the right to make network namespaces: %s", out))
		}
	}
	run("up")
	t.Cleanup(func() { run("down") })
	return namespace(name + "-a"), namespace(name + "-b")
}

func (n namespace) command(program string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", string(n), program}, args...)...)
}

func (n namespace) ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", append([]string{"-n", string(n)}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// A process runs until its standard input is closed.
type process struct {
	lines *bufio.Scanner
	stdin io.Closer
	cmd   *exec.Cmd
}

// play runs this test binary in the namespace, in a role of roles_test.go.
func (n namespace) play(t testing.TB, role string, env ...string) *process {
	t.Helper()
	cmd := n.command(os.Args[0])
	// The race detector would hold up the end of each process for a second.
	cmd.Env = append(append(os.Environ(), "DISCOVERY_TEST_ROLE="+role, "GORACE=atexit_sleep_ms=0"), env...)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{lines: bufio.NewScanner(stdout), stdin: stdin, cmd: cmd}
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop lets the process end by itself; calling it again does nothing.
func (p *process) stop(t testing.TB) {
	if p.cmd.ProcessState != nil {
		return
	}
	p.stdin.Close()
	for p.lines.Scan() {
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("process in another namespace: %v", err)
	}
}

// seen is the part of a Device that tests look at; the version is a name in JSON.
type seen struct {
	EPR       string
	XAddrs    []string
	Version   string
	From      netip.AddrPort
	Interface string
}

// next reads one line of JSON.
func next[T any](t testing.TB, p *process) T {
	t.Helper()
	var v T
	if !p.lines.Scan() {
		t.Fatalf("the process ended: %v", p.lines.Err())
	}
	if err := json.Unmarshal(p.lines.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, p.lines.Bytes())
	}
	return v
}

// Between two hosts: Hello, an answer in each family with addresses of that family, a directed Probe, and Bye.
func TestTwoHosts(t *testing.T) {
	a, b := twoHosts(t)
	listener := b.play(t, "listen")
	next[string](t, listener)
	target := a.play(t, "target")
	next[string](t, target)

	type heard struct {
		Device seen
		Bye    bool
	}
	hello := next[heard](t, listener)
	if hello.Bye || hello.Device.EPR != serverEPR || hello.Device.Interface != "eth0" {
		t.Errorf("heard %+v", hello)
	}

	prober := b.play(t, "probe", "DISCOVERY_TEST_TYPE="+serverType.String())
	// The answers come in either order; the second adds the other family's address.
	var device seen
	for len(device.XAddrs) < 2 {
		device = next[seen](t, prober)
	}
	prober.stop(t)
	addrs := strings.Join(device.XAddrs, " ")
	if device.Interface != "eth0" || !strings.Contains(addrs, "mqtts://10.77.0.1:7237") || !strings.Contains(addrs, "mqtts://[fe80::1%25eth0]:7237") {
		t.Errorf("found %+v", device)
	}

	// On one machine, with every interface in use.
	same := a.play(t, "probe", "DISCOVERY_TEST_TYPE="+serverType.String())
	for device = next[seen](t, same); len(device.XAddrs) < 3; {
		device = next[seen](t, same)
	}
	if !slices.Contains(device.XAddrs, "mqtts://127.0.0.1:7237") {
		t.Errorf("found %+v", device)
	}
	same.stop(t)

	directed := b.play(t, "probe", "DISCOVERY_TEST_HOSTS=10.77.0.1", "DISCOVERY_TEST_INTERFACES=none")
	if d := next[seen](t, directed); d.Interface != "" || d.From.Addr() != netip.MustParseAddr("10.77.0.1") {
		t.Errorf("found %+v", d)
	}
	directed.stop(t)

	target.stop(t)
	for {
		if h := next[heard](t, listener); h.Bye {
			if h.Device.EPR != serverEPR {
				t.Errorf("heard %+v", h)
			}
			break
		}
	}
}

// A machine without any network still finds itself: the real port, no interface chosen, nothing but loopback.
func TestOnlyLoopback(t *testing.T) {
	a, _ := twoHosts(t)
	a.ip(t, "link", "delete", "eth0")
	target := a.play(t, "target")
	next[string](t, target)
	prober := a.play(t, "probe", "DISCOVERY_TEST_TYPE="+serverType.String())
	if d := next[seen](t, prober); d.Interface != "lo" || !slices.Equal(d.XAddrs, []string{"mqtts://127.0.0.1:7237"}) {
		t.Errorf("found %+v", d)
	}
}

// wsdd, which makes Linux file servers visible to Windows, is another author's target of the draft of 2005. It answers
// only to the type that it has, in its own spelling of the prefix.
func TestFindsWsdd(t *testing.T) {
	if _, err := exec.LookPath("wsdd"); err != nil {
		unavailable(t, "the program wsdd (Debian package wsdd)")
	}
	a, b := twoHosts(t)
	wsdd := a.command("wsdd", "-vv", "--no-http", "-i", "eth0", "-n", "fileserver", "-U", serverEPR[9:])
	stderr, err := wsdd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := wsdd.Start(); err != nil {
		t.Fatal(err)
	}
	log := bufio.NewScanner(stderr)
	t.Cleanup(func() {
		wsdd.Process.Kill()
		for log.Scan() {
		}
		wsdd.Wait()
	})
	joined := map[bool]bool{}
	for len(joined) < 2 {
		if !log.Scan() {
			t.Fatal("wsdd ended before it joined the groups")
		}
		if strings.Contains(log.Text(), "joined multicast group") {
			joined[strings.Contains(log.Text(), "239.255.255.250")] = true
		}
	}
	prober := b.play(t, "probe", "DISCOVERY_TEST_TYPE="+wsd.Name{Space: "http://schemas.xmlsoap.org/ws/2006/02/devprof", Local: "Device"}.String())
	if d := next[seen](t, prober); d.EPR != serverEPR || d.Version != wsd.Version2005.String() || d.Interface != "eth0" {
		t.Errorf("found %+v", d)
	}
}

// unavailable skips a test that lacks something, or fails it where nothing may be lacking.
func unavailable(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("needs ", what)
	}
	t.Skip("needs ", what)
}
