package wake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the programs that the tests run in namespaces of their own: a listener, and what floods it.
func TestMain(m *testing.M) {
	switch os.Getenv("WAKE_TEST") {
	case "listen":
		listenAndTell()
	case "send":
		mac, _ := net.ParseMAC(os.Args[1])
		var o SendOptions
		if err := json.Unmarshal([]byte(os.Args[2]), &o); err != nil {
			fmt.Println(err)
		}
		fmt.Println(Send(context.Background(), mac, o))
	case "flood":
		if err := flood(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// listenAndTell prints "ready", each event as a line of JSON, and how much processor time it has had for every line that it reads.
func listenAndTell() {
	ctx, cancel := context.WithCancel(context.Background())
	l := NewListener(Config{Any: len(os.Args) > 1, Woken: func(e Event) {
		_ = json.NewEncoder(os.Stdout).Encode(e)
	}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	<-l.Ready()
	fmt.Println("ready")
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		fmt.Println(time.Duration(u.Utime.Nano() + u.Stime.Nano()))
	}
	cancel()
	<-ended
}

// A cable has a machine at either end: network namespaces.
type cable struct{ t *testing.T }

// newCable makes them, with 10.77.9.1 and .2 on their eth0.
func newCable(t *testing.T) cable {
	t.Helper()
	need(t, "ip")
	for n := 1; n <= 2; n++ {
		ip(t, "netns", "add", end(n))
		t.Cleanup(func() { exec.Command("ip", "netns", "del", end(n)).Run() })
	}
	c := cable{t}
	c.join("eth0")
	for n := 1; n <= 2; n++ {
		ip(t, "-n", end(n), "addr", "add", fmt.Sprintf("10.77.9.%d/24", n), "dev", "eth0")
		ip(t, "-n", end(n), "addr", "add", fmt.Sprintf("fe80::%d/64", n), "dev", "eth0", "nodad")
		ip(t, "-n", end(n), "link", "set", "lo", "up")
	}
	return c
}

// join makes an interface at both ends, with a cable between.
func (c cable) join(name string) {
	c.t.Helper()
	ip(c.t, "-n", end(1), "link", "add", name, "type", "veth", "peer", "name", name, "netns", end(2))
	for n := 1; n <= 2; n++ {
		ip(c.t, "-n", end(n), "link", "set", name, "addrgenmode", "none", "up")
	}
}

func end(n int) string { return fmt.Sprintf("vtwake%d-%d", os.Getpid(), n) }

// on is a program at one end.
func (c cable) on(n int, argv ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", end(n)}, argv...)...)
	cmd.Stderr = c.t.Output()
	return cmd
}

// run runs one to its end.
func (c cable) run(n int, argv ...string) {
	c.t.Helper()
	if err := c.on(n, argv...).Run(); err != nil {
		c.t.Fatalf("%v: %v", argv, err)
	}
}

// self is this program at one end, in one of its other roles.
func (c cable) self(n int, role string, args ...string) *exec.Cmd {
	return c.without(n, "", role, args...)
}

// without is the same with some capabilities taken away for good, such as "-net_raw,-sys_time".
func (c cable) without(n int, capabilities, role string, args ...string) *exec.Cmd {
	argv := append([]string{os.Args[0]}, args...)
	if capabilities != "" {
		argv = append([]string{"setpriv", "--bounding-set", capabilities}, argv...)
	}
	cmd := c.on(n, argv...)
	cmd.Env = append(os.Environ(), "WAKE_TEST="+role, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// A hearer is a listener that runs at the first end.
type hearer struct {
	t     *testing.T
	stdin io.Writer
	lines chan string
	log   *lockedBuffer
	// end ends the listener; after that its log is whole.
	end func()
}

func (c cable) listen(args ...string) *hearer {
	c.t.Helper()
	return c.start(c.self(1, "listen", args...))
}

// start starts a listener.
func (c cable) start(cmd *exec.Cmd) *hearer {
	c.t.Helper()
	log := &lockedBuffer{}
	cmd.Stderr = io.MultiWriter(c.t.Output(), log)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	h := &hearer{t: c.t, stdin: stdin, lines: make(chan string), log: log}
	go func() {
		defer close(h.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			h.lines <- s.Text()
		}
	}()
	h.end = sync.OnceFunc(func() {
		stdin.Close()
		for range h.lines {
		}
		if err := cmd.Wait(); err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(h.end)
	if got := h.line(); got != "ready" {
		c.t.Fatalf("the listener says %q", got)
	}
	return h
}

func (h *hearer) line() string {
	h.t.Helper()
	select {
	case line, ok := <-h.lines:
		if !ok {
			h.t.Fatal("the listener has ended")
		}
		return line
	case <-time.After(patience):
		h.t.Fatal("the listener says nothing")
	}
	return ""
}

// used is how much processor time the listener has had.
func (h *hearer) used() time.Duration {
	h.t.Helper()
	fmt.Fprintln(h.stdin)
	d, err := time.ParseDuration(h.line())
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// event is the next packet that the listener reports.
func (h *hearer) event() (e Event) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.line()), &e); err != nil {
		h.t.Fatal(err)
	}
	return e
}

// mac is the hardware address of an interface at an end.
func (c cable) mac(n int, iface string) string {
	c.t.Helper()
	out, err := c.on(n, "cat", "/sys/class/net/"+iface+"/address").Output()
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Programs of other authors, each way that they know.
func TestHearsOtherPrograms(t *testing.T) {
	need(t, "ip", "wakeonlan", "etherwake")
	c := newCable(t)
	h := c.listen("any")
	for mac, s := range map[string]struct {
		via  string
		argv []string
	}{
		"02:aa:00:00:00:01": {"UDP port 9", []string{"wakeonlan", "-i", "10.77.9.255"}},
		"02:aa:00:00:00:02": {"UDP port 7", []string{"wakeonlan", "-i", "10.77.9.255", "-p", "7"}},
		"02:aa:00:00:00:03": {"UDP port 4000", []string{"wakeonlan", "-i", "10.77.9.255", "-p", "4000"}}, // which has no socket of its own
		"02:aa:00:00:00:04": {"UDP port 9", []string{"wakeonlan", "-i", "10.77.9.1"}},
		"02:aa:00:00:00:05": {"Ethernet frame", []string{"etherwake", "-i", "eth0", "-b"}},
		"02:aa:00:00:00:06": {"Ethernet frame", []string{"etherwake", "-i", "eth0", "-b", "-p", "1.2.3.4"}},
		"02:aa:00:00:00:07": {"Ethernet frame", []string{"etherwake", "-i", "eth0", "-b", "-p", "01:02:03:04:05:06"}},
	} {
		c.run(2, append(s.argv, mac)...)
		if e := h.event(); e.MAC.String() != mac || e.Via != s.via || e.Password != (len(s.argv) > 4 && s.argv[4] == "-p") {
			t.Errorf("%v: heard %+v", s.argv, e)
		}
	}
}

// Our own sending: over IPv6; and on an interface without an address, where nothing but raw frames can come.
func TestHearsOurOwn(t *testing.T) {
	need(t, "ip")
	c := newCable(t)
	c.join("bare0")
	h := c.listen("any")
	for mac, s := range map[string]struct {
		options             SendOptions
		sent, via, on, from string
	}{
		"02:aa:00:00:00:01": {SendOptions{Broadcast: allNodes.WithZone("eth0")}, "UDP [ff02::1%eth0]:9", "UDP port 9", "", "fe80::2"},
		"02:aa:00:00:00:02": {SendOptions{Interface: "bare0", Raw: true}, "[Ethernet frames on bare0]", "Ethernet frame", "bare0", c.mac(2, "bare0")},
		"02:aa:00:00:00:03": {SendOptions{Interface: "bare0", Raw: true, Password: []byte{1, 2, 3, 4}}, "[Ethernet frames on bare0]", "Ethernet frame", "bare0", c.mac(2, "bare0")},
		"02:aa:00:00:00:04": {SendOptions{Interface: "eth0", Ports: []uint16{7}, Broadcast: netip.MustParseAddr("10.77.9.1"), Password: []byte{1, 2, 3, 4, 5, 6}}, "UDP 10.77.9.1:7", "UDP port 7", "", "10.77.9.2"},
	} {
		options, err := json.Marshal(s.options)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := c.self(2, "send", mac, string(options)).Output(); err != nil || !strings.Contains(string(out), s.sent) || !strings.Contains(string(out), "<nil>") {
			t.Fatalf("sent %s, %v", out, err)
		}
		e := h.event()
		if e.MAC.String() != mac || e.Via != s.via || s.on != "" && e.Interface != s.on || !strings.Contains(e.From, s.from) || e.Password != (s.options.Password != nil) {
			t.Errorf("%s: heard %+v", options, e)
		}
	}
}

// Without a right it is said which one is missing, and what can be heard without it is heard.
func TestHearsWithoutRights(t *testing.T) {
	need(t, "ip", "setpriv")
	const (
		noFrames = "Ethernet frames, and UDP to other ports, are not heard: that needs root, or the capability CAP_NET_RAW"
		noPort7  = "UDP port 7 are not heard: that needs root, or the capability CAP_NET_BIND_SERVICE"
		noPort9  = "UDP port 9 are not heard: that needs root, or the capability CAP_NET_BIND_SERVICE"
	)
	for lacks, s := range map[string]struct {
		says     []string
		not, via string
	}{
		"-net_raw":                   {[]string{noFrames}, "CAP_NET_BIND_SERVICE", "UDP port 9"},
		"-net_bind_service":          {[]string{noPort7, noPort9}, "CAP_NET_RAW", "UDP port 9"}, // by a raw socket
		"-net_raw,-net_bind_service": {[]string{noFrames, noPort7, noPort9}, "", ""},
	} {
		t.Run(lacks, func(t *testing.T) {
			c := newCable(t)
			h := c.start(c.without(1, lacks, "listen", "any"))
			options, err := json.Marshal(SendOptions{Broadcast: netip.MustParseAddr("10.77.9.255")})
			if err != nil {
				t.Fatal(err)
			}
			if out, err := c.self(2, "send", "02:aa:00:00:00:01", string(options)).Output(); err != nil || !strings.Contains(string(out), "<nil>") {
				t.Fatalf("sent %s, %v", out, err)
			}
			if s.via == "" {
				h.used() // it goes on, and reports nothing before it answers
			} else if e := h.event(); e.Via != s.via || (e.Interface == "eth0") != (lacks == "-net_bind_service") {
				t.Errorf("heard %+v", e)
			}
			h.end()
			log := h.log.String()
			for _, want := range s.says {
				if !strings.Contains(log, want) {
					t.Errorf("it doesn't say %q:\n%s", want, log)
				}
			}
			if s.not != "" && strings.Contains(log, s.not) {
				t.Errorf("it lacks no %s:\n%s", s.not, log)
			}
		})
	}
}

// A machine has the addresses of all its interfaces, also of one that comes later, and nobody else's.
func TestOwnInterfaces(t *testing.T) {
	need(t, "ip", "etherwake")
	c := newCable(t)
	h := c.listen()
	c.run(2, "etherwake", "-i", "eth0", "-b", "02:aa:00:00:00:01")
	c.run(2, "etherwake", "-i", "eth0", c.mac(1, "eth0"))
	if e := h.event(); e.MAC.String() != c.mac(1, "eth0") || e.Interface != "eth0" {
		t.Errorf("heard %+v", e)
	}
	c.join("late0")
	mac, again := c.mac(1, "late0"), time.NewTicker(100*time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); ; { // nothing tells when somebody listens there
		c.run(2, "etherwake", "-i", "late0", mac)
		select {
		case line := <-h.lines:
			if !strings.Contains(line, `"Interface":"late0"`) {
				t.Errorf("heard %s", line)
			}
			return
		case <-again.C:
		case <-deadline:
			t.Fatal("nobody listens on the interface that came later")
		}
	}
}

// need skips a test for want of a tool or of root, which in CI is a failure.
func need(t *testing.T, tools ...string) {
	t.Helper()
	missing := ""
	if os.Geteuid() != 0 {
		missing = "root"
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = tool
		}
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing", missing)
	default:
		t.Skipf("%s is missing", missing)
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
