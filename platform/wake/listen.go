package wake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"vitrine/platform/network"
)

// defaultPorts are the UDP ports that magic packets are sent to: echo (7) and discard (9).
var defaultPorts = []uint16{7, 9}

const (
	// repeatTime is how long further packets for the same machine are the same wake: senders repeat them, and each may
	// arrive by UDP and as a frame.
	repeatTime = time.Second
	// rescanTime is how often new interfaces are looked for.
	rescanTime = 5 * time.Second
	// retryRead is the wait after a read that failed for another reason than the end, such as a link that went down.
	retryRead = time.Second
)

// An Event is a magic packet that arrived.
type Event struct {
	// MAC is the address that it is for.
	MAC net.HardwareAddr
	// From is the sender: an IP address with port, or a hardware address.
	From string
	// Via says how it came, such as "UDP port 9" or "Ethernet frame".
	Via string
	// Interface is where it came in; empty if that isn't known.
	Interface string
	// Password tells whether a SecureOn password came along.
	Password bool
	Time     time.Time
}

// Config says how to make a Listener.
type Config struct {
	// Ports are the UDP ports; none means 7 and 9.
	Ports []uint16
	// Any reports packets for every address, not only for those of this machine.
	Any bool
	// Woken is called with each event, by one goroutine at a time. It must not block for long.
	Woken func(Event)
	// Log gets what can't be heard and why; nil means nothing.
	Log *slog.Logger
}

// A Listener is the task that hears magic packets. It hears what this process has the rights for, and says what it hasn't.
type Listener struct {
	config Config
	log    *slog.Logger
	ready  chan struct{}
	once   sync.Once

	mu     sync.Mutex
	warned map[string]bool
	own    []net.HardwareAddr
	last   map[string]time.Time
}

// NewListener makes a listener.
func NewListener(c Config) *Listener {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Ports) == 0 {
		c.Ports = defaultPorts
	}
	return &Listener{config: c, log: c.Log, ready: make(chan struct{}), warned: map[string]bool{}, last: map[string]time.Time{}}
}

// Ready is closed once everything that can be opened is.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// String names the task.
func (l *Listener) String() string { return "wake-up listener" }

// Run listens until ctx ends. It never fails: without any right it waits in vain, having said so.
func (l *Listener) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	l.lookAtOwn()
	for _, port := range l.config.Ports {
		// One socket for both IPv4 and IPv6. It must be bound to no address: a socket with one hears no broadcasts.
		conn, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			l.warn(fmt.Sprintf("UDP port %d", port), err)
			continue
		}
		via := fmt.Sprintf("UDP port %d", port)
		readers.Go(func() { l.read(ctx, conn, via, "") })
	}
	l.frames(ctx, &readers)
	return nil
}

// frames opens a raw socket on each interface, now and when more come, until ctx ends.
func (l *Listener) frames(ctx context.Context, readers *sync.WaitGroup) {
	open := map[int]context.CancelFunc{}
	ticker := time.NewTicker(rescanTime)
	defer ticker.Stop()
	for {
		seen := map[int]bool{}
		for _, i := range l.lookAtOwn() {
			seen[i.Index] = true
			if open[i.Index] != nil || i.Loopback || !i.Up {
				continue
			}
			conn, err := listenFrames(i.Name)
			if err != nil {
				l.warn("Ethernet frames", err)
				continue
			}
			reading, cancel := context.WithCancel(ctx)
			open[i.Index] = cancel
			readers.Go(func() {
				defer cancel()
				l.read(reading, conn, "Ethernet frame", i.Name)
			})
		}
		for index, cancel := range open {
			if !seen[index] { // its socket stays silent for ever
				cancel()
				delete(open, index)
			}
		}
		l.once.Do(func() { close(l.ready) })
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lookAtOwn learns this machine's interfaces and addresses.
func (l *Listener) lookAtOwn() []network.Interface {
	interfaces, err := network.Interfaces()
	if err != nil {
		l.log.Debug("The network interfaces can't be listed", "err", err)
		return nil
	}
	own := []net.HardwareAddr{}
	for _, i := range interfaces {
		if isMachine(i.MAC) {
			own = append(own, i.MAC)
		}
	}
	l.mu.Lock()
	l.own = own
	l.mu.Unlock()
	return interfaces
}

// warn says once what isn't heard.
func (l *Listener) warn(what string, err error) {
	l.mu.Lock()
	known := l.warned[what]
	l.warned[what] = true
	l.mu.Unlock()
	if known {
		return
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		l.log.Debug("Magic packets in "+what+" are not heard on this system", "err", err)
	case errors.Is(err, fs.ErrPermission):
		l.log.Warn("Magic packets by "+what+" are not heard: that needs root, or the capabilities CAP_NET_BIND_SERVICE and CAP_NET_RAW", "err", err)
	case errors.Is(err, syscall.EADDRINUSE):
		l.log.Warn("Magic packets by "+what+" are not heard: another program has that port", "err", err)
	default:
		l.log.Warn("Magic packets by "+what+" are not heard", "err", err)
	}
}

// read hears one socket until ctx ends, and closes it.
func (l *Listener) read(ctx context.Context, conn net.PacketConn, via, iface string) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, maxPayload)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			pause(ctx, retryRead)
			continue
		}
		l.heard(buffer[:n], Event{From: from.String(), Via: via, Interface: iface, Time: time.Now()})
	}
}

// heard looks into a packet, and reports it unless it is a repetition.
func (l *Listener) heard(payload []byte, e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	macs := l.own
	if l.config.Any {
		macs = nil
	}
	mac, rest, ok := Find(payload, macs)
	if !ok {
		return
	}
	if e.Time.Sub(l.last[mac.String()]) < repeatTime {
		return
	}
	for known, heard := range l.last {
		if e.Time.Sub(heard) >= repeatTime {
			delete(l.last, known)
		}
	}
	l.last[mac.String()] = e.Time
	e.MAC, e.Password = mac, len(rest) >= 4
	l.config.Woken(e)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
