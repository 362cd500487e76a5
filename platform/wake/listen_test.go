package wake

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/platform/network/networktest"
)

const patience = 10 * time.Second

// lockedBuffer is a log that two goroutines may use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run runs a listener for the length of a test.
func run(t *testing.T, c Config) (events chan Event, log *lockedBuffer) {
	t.Helper()
	events, log = make(chan Event, 100), &lockedBuffer{}
	c.Woken = func(e Event) { events <- e }
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	l := NewListener(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-l.Ready()
	return events, log
}

func send(t *testing.T, port uint16, payload []byte) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(payload); err != nil {
		t.Fatal(err)
	}
}

func await(t *testing.T, events <-chan Event) Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(patience):
		t.Fatal("no magic packet was heard")
	}
	return Event{}
}

// Between two packets for the same machine another one is sent: when that has been heard, the first two have been too.
func TestRepetitionsAreOneEvent(t *testing.T) {
	a, b := networktest.FreePort(t), networktest.FreePort(t)
	events, _ := run(t, Config{Ports: []uint16{a, b}, Any: true})
	send(t, a, []byte("noise"))
	send(t, a, Packet(own, []byte("secret")))
	first := await(t, events)
	if !bytes.Equal(first.MAC, own) || !first.Password || !strings.HasPrefix(first.Via, "UDP port ") || !strings.HasPrefix(first.From, "127.0.0.1:") && !strings.Contains(first.From, "127.0.0.1") {
		t.Errorf("event %+v", first)
	}
	send(t, a, Packet(own, nil))
	send(t, b, Packet(other, nil))
	if e := await(t, events); !bytes.Equal(e.MAC, other) {
		t.Errorf("the repetition for %v was reported", e.MAC)
	}
}

func TestOnlyOwnAddressesWake(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var mine net.HardwareAddr
	for _, i := range interfaces {
		if isMachine(i.HardwareAddr) {
			mine = i.HardwareAddr
		}
	}
	if mine == nil {
		t.Skip("this machine has no interface with a hardware address")
	}
	port := networktest.FreePort(t)
	events, _ := run(t, Config{Ports: []uint16{port}})
	send(t, port, Packet(other, nil))
	send(t, port, Packet(mine, nil))
	if e := await(t, events); !bytes.Equal(e.MAC, mine) {
		t.Errorf("woken for %v, want %v", e.MAC, mine)
	}
}

func TestPortTakenIsSaidAndTheRestWorks(t *testing.T) {
	taken, err := net.ListenPacket("udp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := uint16(taken.LocalAddr().(*net.UDPAddr).Port)
	free := networktest.FreePort(t)
	events, log := run(t, Config{Ports: []uint16{port, free}, Any: true})
	if !strings.Contains(log.String(), "another program has that port") {
		t.Errorf("nothing was said of the port:\n%s", log)
	}
	send(t, free, Packet(own, nil))
	await(t, events)
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

// Real senders, in a network namespace at the other end of a cable.
func TestHearsOtherPrograms(t *testing.T) {
	need(t, "ip", "wakeonlan", "etherwake")
	// The names are short: an interface's may have 15 characters.
	ip(t, "link", "add", "vtwake0", "type", "veth", "peer", "name", "vtwake1")
	defer exec.Command("ip", "link", "del", "vtwake0").Run()
	ip(t, "netns", "add", "vtwake")
	defer exec.Command("ip", "netns", "del", "vtwake").Run()
	ip(t, "link", "set", "vtwake1", "netns", "vtwake")
	ip(t, "addr", "add", "10.77.9.1/24", "dev", "vtwake0")
	ip(t, "link", "set", "vtwake0", "up")
	ip(t, "-n", "vtwake", "addr", "add", "10.77.9.2/24", "dev", "vtwake1")
	ip(t, "-n", "vtwake", "link", "set", "vtwake1", "up")

	port := networktest.FreePort(t)
	events, log := run(t, Config{Ports: []uint16{port}, Any: true})
	for _, c := range []struct {
		via  string
		args []string
		mac  string
	}{
		{"UDP port", []string{"wakeonlan", "-i", "10.77.9.255", "-p", itoa(port), "02:aa:00:00:00:01"}, "02:aa:00:00:00:01"},
		{"Ethernet frame", []string{"etherwake", "-i", "vtwake1", "-b", "02:aa:00:00:00:02"}, "02:aa:00:00:00:02"},
		{"Ethernet frame", []string{"etherwake", "-i", "vtwake1", "-b", "-p", "1.2.3.4", "02:aa:00:00:00:03"}, "02:aa:00:00:00:03"},
	} {
		out, err := exec.Command("ip", append([]string{"netns", "exec", "vtwake"}, c.args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.args, err, out)
		}
		e := await(t, events)
		if e.MAC.String() != c.mac || !strings.HasPrefix(e.Via, c.via) {
			t.Errorf("%v: heard %+v\n%s", c.args, e, log)
		}
	}
}

func itoa(port uint16) string {
	return strings.TrimPrefix((&net.UDPAddr{Port: int(port)}).String(), ":")
}

func TestSend(t *testing.T) {
	port := networktest.FreePort(t)
	events, _ := run(t, Config{Ports: []uint16{port}, Any: true})
	sent, err := Send(t.Context(), own, SendOptions{Broadcast: loopback, Ports: []uint16{port}})
	if err != nil || len(sent) != 1 || !strings.HasPrefix(sent[0], "UDP 127.0.0.1:") {
		t.Fatalf("sent %v, %v", sent, err)
	}
	if e := await(t, events); !bytes.Equal(e.MAC, own) {
		t.Errorf("heard %+v", e)
	}
	if _, err := Send(t.Context(), syncBytes, SendOptions{}); err == nil {
		t.Error("a packet for every machine was sent")
	}
	if _, err := Send(t.Context(), own, SendOptions{Interface: "missing0"}); err == nil || !strings.Contains(err.Error(), "missing0") {
		t.Errorf("a missing interface: %v", err)
	}
}
