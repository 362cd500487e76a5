package wake

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/time/rate"

	"vitrine/platform/network"
)

// DefaultPorts are the UDP ports that magic packets are sent to: echo (7) and discard (9).
var DefaultPorts = []uint16{7, 9}

const (
	// repeatTime is how long further packets for the same machine are the same wake: senders repeat them, and each may
	// arrive by UDP and as a frame.
	repeatTime = time.Second
	// wakeEvery and wakeBurst bound how often wakes are reported, however many come.
	wakeEvery = 10 * time.Second
	wakeBurst = 6
	// readRate is how many packets a second one socket takes from the kernel, after its filter: enough for every wake, and too few to keep a
	// processor busy with forged ones.
	readRate = 50
	// rescanTime is how often new interfaces are looked for, beside the system's own word that there are some.
	rescanTime = 30 * time.Second
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
	// Any reports packets for every address, not only for those of this machine, however many come.
	Any bool
	// Password must follow the pattern, if it isn't empty: SecureOn, of 4 or 6 bytes. It travels in clear text.
	Password []byte
	// Senders are those whose packets count; none means everybody.
	Senders []Sender
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
	hears  Hearing
	warned map[string]bool
	own    []net.HardwareAddr
	last   map[string]time.Time
	wakes  *rate.Limiter
	// ignored is when it was last said that a packet does nothing.
	ignored time.Time
}

// A Hearing is what a listener hears, and what not.
type Hearing struct {
	// Ports are the UDP ports that it is to have, with why it hasn't; nil for one that it has.
	Ports map[uint16]error
	// Frames tells that it has raw sockets on at least one interface: by these it hears what is sent to any port.
	Frames bool
}

// NewListener makes a listener.
func NewListener(c Config) *Listener {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Ports) == 0 {
		c.Ports = DefaultPorts
	}
	return &Listener{
		config: c, log: c.Log, ready: make(chan struct{}), hears: Hearing{Ports: map[uint16]error{}},
		warned: map[string]bool{}, last: map[string]time.Time{}, wakes: rate.NewLimiter(rate.Every(wakeEvery), wakeBurst),
	}
}

// Ready is closed once everything that can be opened is.
func (l *Listener) Ready() <-chan struct{} { return l.ready }

// String names the task.
func (l *Listener) String() string { return "wake-up listener" }

// Hears tells what is heard now; what isn't tried yet isn't in it.
func (l *Listener) Hears() Hearing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Hearing{maps.Clone(l.hears.Ports), l.hears.Frames}
}

// A tap is a socket for what comes in on one interface; ip tells that it gives whole IP packets.
type tap struct {
	conn net.PacketConn
	ip   bool
}

// Run listens until ctx ends. It never fails: without any right it waits in vain, having said so.
func (l *Listener) Run(ctx context.Context) error {
	var readers sync.WaitGroup
	defer readers.Wait()
	l.lookAtOwn()
	for _, port := range l.config.Ports {
		conn, err := listenUDP(ctx, port)
		l.mu.Lock()
		l.hears.Ports[port] = err
		l.mu.Unlock()
		if err != nil {
			l.warn(fmt.Sprintf("UDP port %d", port), "CAP_NET_BIND_SERVICE", err)
			continue
		}
		readers.Go(func() { l.read(ctx, conn, func(p []byte, from net.Addr, e Event) { l.datagram(p, from, port, e) }) })
	}
	l.frames(ctx, &readers)
	return nil
}

// frames opens raw sockets on each interface, now and when more come, until ctx ends.
func (l *Listener) frames(ctx context.Context, readers *sync.WaitGroup) {
	changed := make(chan struct{}, 1)
	readers.Go(func() {
		network.Watch(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	})
	open := map[int]context.CancelFunc{}
	ticker := time.NewTicker(rescanTime)
	defer ticker.Stop()
	for {
		seen := map[int]bool{}
		for _, i := range l.lookAtOwn() {
			seen[i.Index] = true
			if open[i.Index] == nil && !i.Loopback && i.Up {
				if end := l.tap(ctx, i.Name, readers); end != nil {
					open[i.Index] = end
				}
			}
		}
		for index, end := range open {
			if !seen[index] { // its sockets stay silent for ever
				end()
				delete(open, index)
			}
		}
		l.mu.Lock()
		l.hears.Frames = len(open) > 0
		l.mu.Unlock()
		l.once.Do(func() { close(l.ready) })
		select {
		case <-ctx.Done():
			for _, end := range open {
				end()
			}
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// tap listens on an interface until what it returns is called; nil means that it can't.
func (l *Listener) tap(ctx context.Context, name string, readers *sync.WaitGroup) context.CancelFunc {
	taps, err := listenFrames(name)
	if err != nil {
		l.warn("Ethernet frames, and UDP to other ports,", "CAP_NET_RAW", err)
		return nil
	}
	reading, end := context.WithCancel(ctx)
	for _, t := range taps {
		readers.Go(func() {
			l.read(reading, t.conn, func(p []byte, from net.Addr, e Event) {
				e.Interface = name
				l.frame(p, from, t.ip, e)
			})
		})
	}
	return end
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
		for _, mac := range []net.HardwareAddr{i.MAC, i.Permanent} {
			if isMachine(mac) {
				own = append(own, mac)
			}
		}
	}
	l.mu.Lock()
	l.own = own
	l.mu.Unlock()
	return interfaces
}

// warn says once what isn't heard, and which right of Linux's would be needed.
func (l *Listener) warn(what, right string, err error) {
	l.mu.Lock()
	known := l.warned[what]
	l.warned[what] = true
	l.mu.Unlock()
	if known {
		return
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		l.log.Debug("Magic packets by "+what+" are not heard on this system", "err", err)
	case errors.Is(err, fs.ErrPermission):
		l.log.Warn("Magic packets by "+what+" are not heard: that needs root, or the capability "+right, "err", err)
	case errors.Is(err, syscall.EADDRINUSE):
		l.log.Warn("Magic packets by "+what+" are not heard: another program has that port", "err", err)
	default:
		l.log.Warn("Magic packets by "+what+" are not heard", "err", err)
	}
}

// read hears one socket until ctx ends, and closes it.
func (l *Listener) read(ctx context.Context, conn net.PacketConn, heard func(p []byte, from net.Addr, e Event)) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	limit := rate.NewLimiter(readRate, readRate)
	buffer := make([]byte, 2048)
	for {
		if limit.Wait(ctx) != nil {
			return
		}
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
		heard(buffer[:n], from, Event{From: from.String(), Time: time.Now()})
	}
}

// datagram looks into what came to one of the ports.
func (l *Listener) datagram(p []byte, from net.Addr, port uint16, e Event) {
	e.Via = fmt.Sprintf("UDP port %d", port)
	var s source
	if a, ok := from.(*net.UDPAddr); ok {
		s.addr = a.AddrPort().Addr()
	}
	l.heard(p, s, e)
}

// frame looks into what came in on an interface.
func (l *Listener) frame(p []byte, from net.Addr, ip bool, e Event) {
	s := source{mac: sourceMAC(from)}
	e.Via = "Ethernet frame"
	if ip {
		sender, port, payload, ok := udpOf(p)
		if !ok {
			return
		}
		s.addr, p = sender.Addr(), payload
		e.From, e.Via = sender.String(), fmt.Sprintf("UDP port %d", port)
	}
	l.heard(p, s, e)
}

// heard looks into a payload, and reports it unless it doesn't count or is a repetition.
func (l *Listener) heard(payload []byte, from source, e Event) {
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
	e.MAC, e.Password = mac, len(rest) >= 4
	switch secret := l.config.Password; {
	case !admits(l.config.Senders, from):
		l.ignore("its sender isn't one of those that may wake this machine", e)
		return
	case len(rest) < len(secret) || subtle.ConstantTimeCompare(rest[:len(secret)], secret) == 0:
		l.ignore("it doesn't have the right password", e)
		return
	case e.Time.Sub(l.last[mac.String()]) < repeatTime:
		return
	}
	for known, heard := range l.last {
		if e.Time.Sub(heard) >= repeatTime {
			delete(l.last, known)
		}
	}
	l.last[mac.String()] = e.Time
	if !l.config.Any && !l.wakes.AllowN(e.Time, 1) {
		l.ignore("more come than a person sends", e)
		return
	}
	l.config.Woken(e)
}

// ignore says, now and then, that a packet for this machine does nothing. l.mu is held.
func (l *Listener) ignore(why string, e Event) {
	if e.Time.Sub(l.ignored) < wakeEvery {
		return
	}
	l.ignored = e.Time
	l.log.Info("A magic packet is ignored: "+why, "peer", e.From, "via", e.Via)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
