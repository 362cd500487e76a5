package wake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
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
		fmt.Println(Send(context.Background(), mac, SendOptions{Broadcast: allNodes.WithZone("eth0")}))
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
	cmd := c.on(n, append([]string{os.Args[0]}, args...)...)
	cmd.Env = append(os.Environ(), "WAKE_TEST="+role, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// A hearer is a listener that runs at the first end.
type hearer struct {
	t     *testing.T
	stdin io.Writer
	lines chan string
}

func (c cable) listen(args ...string) *hearer {
	c.t.Helper()
	cmd := c.self(1, "listen", args...)
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
	h := &hearer{c.t, stdin, make(chan string)}
	go func() {
		defer close(h.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			h.lines <- s.Text()
		}
	}()
	c.t.Cleanup(func() {
		stdin.Close()
		for range h.lines {
		}
		if err := cmd.Wait(); err != nil {
			c.t.Error(err)
		}
	})
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

// Programs of other authors, each way that they know, and our own by IPv6.
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
	mac := "02:aa:00:00:00:08"
	if out, err := c.self(2, "send", mac).Output(); err != nil || !strings.Contains(string(out), "UDP [ff02::1%eth0]:9") {
		t.Fatalf("sent %s, %v", out, err)
	}
	if e := h.event(); e.MAC.String() != mac || e.Via != "UDP port 9" || !strings.Contains(e.From, "fe80::2") {
		t.Errorf("by IPv6: heard %+v", e)
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
