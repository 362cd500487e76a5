package wake

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
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
	_, events, log = runListener(t, c)
	return events, log
}

func runListener(t *testing.T, c Config) (l *Listener, events chan Event, log *lockedBuffer) {
	t.Helper()
	events, log = make(chan Event, 100), &lockedBuffer{}
	c.Woken = func(e Event) { events <- e }
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	l = NewListener(c)
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
	return l, events, log
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

// What isn't meant for this machine, or isn't from whom it should be, does nothing, and that is said.
func TestWhatDoesNotCount(t *testing.T) {
	port := networktest.FreePort(t)
	loop, err := ParseSender("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	events, log := run(t, Config{Ports: []uint16{port}, Any: true, Password: []byte("secret"), Senders: []Sender{loop}})
	send(t, port, Packet(own, nil))
	send(t, port, Packet(own, []byte("secre")))
	send(t, port, Packet(own, []byte("Secret")))
	send(t, port, Packet(other, []byte("secret and more")))
	if e := await(t, events); !bytes.Equal(e.MAC, other) {
		t.Errorf("heard %+v", e)
	}
	if n := strings.Count(log.String(), "doesn't have the right password"); n != 1 {
		t.Errorf("it is said %d times that the password is wrong:\n%s", n, log)
	}

	elsewhere := networktest.FreePort(t)
	events, log = run(t, Config{Ports: []uint16{elsewhere}, Any: true, Senders: []Sender{{MAC: own}}})
	l := NewListener(Config{Senders: []Sender{{MAC: own}}, Any: true, Woken: func(e Event) { events <- e }, Log: slog.New(slog.NewTextHandler(log, nil))})
	l.heard(Packet(other, nil), source{mac: other}, Event{Time: time.Now()})
	l.heard(Packet(own, nil), source{mac: own}, Event{Time: time.Now()})
	if e := await(t, events); !bytes.Equal(e.MAC, own) || !strings.Contains(log.String(), "isn't one of those that may wake") {
		t.Errorf("heard %+v\n%s", e, log)
	}
}

// However often one is sent, a wake is reported six times at once, and then every ten seconds.
func TestWakesAreLimited(t *testing.T) {
	events := 0
	l := NewListener(Config{Woken: func(Event) { events++ }})
	l.own = []net.HardwareAddr{own}
	began := time.Now()
	for n := range 60 {
		l.heard(Packet(own, nil), source{}, Event{Time: began.Add(time.Duration(n) * 1001 * time.Millisecond)})
	}
	if events != 6+5 {
		t.Errorf("%d events in a minute", events)
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
	l, events, log := runListener(t, Config{Ports: []uint16{port, free}, Any: true})
	if !strings.Contains(log.String(), "another program has that port") {
		t.Errorf("nothing was said of the port:\n%s", log)
	}
	if h := l.Hears(); len(h.Ports) != 2 || !errors.Is(h.Ports[port], syscall.EADDRINUSE) || h.Ports[free] != nil {
		t.Errorf("it says that it hears %+v", h)
	}
	send(t, free, Packet(own, nil))
	await(t, events)
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
