package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"vitrine/discovery/wsd"
)

// echoPort is where playEcho sends everything back.
const echoPort = 9007

// playEcho is the physical limit: what a datagram takes that nobody has to understand.
func playEcho(ctx context.Context) error {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: echoPort})
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	ready()
	buf := make([]byte, wsd.MaxSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return nil
		}
		conn.WriteToUDPAddrPort(buf[:n], from)
	}
}

// A sample is one round of a measurement, in seconds.
type sample struct {
	// Echo is the round trip of a Probe's bytes as bare UDP, Peer that of the Probe to a peer's first answer, both from one
	// socket that was open. Probe is the time from the first copy of the client's Probe to the device in the caller's hands,
	// and Call the time from the caller's call to that moment.
	Echo, Peer, Probe, Call float64
}

// rest is the time between two measurements: each finds the machine at rest, as a real one would, and no peer's limits are met.
const rest = 50 * time.Millisecond

// playMeasure measures in turns.
func playMeasure(ctx context.Context, q wsd.Query, out *json.Encoder) error {
	links, err := findLinks([]string{"eth0"})
	if err != nil || len(links) == 0 {
		return fmt.Errorf("eth0: %w", err)
	}
	s, err := openProbing(ctx, &links[0], netip.AddrPortFrom(links[0].sources()[0], 0))
	if err != nil {
		return err
	}
	defer s.close()
	for range 100 {
		one, err := measureOnce(ctx, s, &links[0], q)
		if err != nil {
			return err
		}
		out.Encode(one)
	}
	return nil
}

func measureOnce(ctx context.Context, s *socket, l *link, q wsd.Query) (one sample, err error) {
	m := &wsd.Message{Version: wsd.Version2005, Action: wsd.Probe, MessageID: newID(), Query: q}
	data, err := m.Marshal()
	if err != nil {
		return one, err
	}
	wait(ctx, rest)
	if one.Echo, err = exchange(s, data, netip.MustParseAddrPort(fmt.Sprintf("10.77.0.1:%d", echoPort)), "Probe>", m.MessageID); err != nil {
		return one, err
	}
	wait(ctx, rest)
	if one.Peer, err = exchange(s, data, s.groupAddress(l, wsd.Port), "ProbeMatches>", m.MessageID); err != nil {
		return one, err
	}
	wait(ctx, rest)
	one.Probe, one.Call, err = find1(ctx, q)
	return one, err
}

// find1 is Client.Probe up to the first device, on the one interface that there is.
func find1(ctx context.Context, q wsd.Query) (sent, called float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	r, err := (&Client{Interfaces: []string{"eth0"}}).newRound([]wsd.Message{{Action: wsd.Probe, Query: q}})
	if err != nil {
		return 0, 0, err
	}
	defer r.tasks.Wait()
	defer cancel()
	r.start(ctx)
	select {
	case a := <-r.answers:
		now := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, asked := range r.questions {
			if asked.request.Version == a.device.Version && asked.to[0].Addr().Is4() == a.device.From.Addr().Is4() {
				return asked.age(netip.Addr{}, now).Seconds(), now.Sub(began).Seconds(), nil
			}
		}
	case <-ctx.Done():
	}
	return 0, 0, errors.New("nobody was found")
}

// exchange sends, and waits for the first datagram in return that has both texts in it: copies of earlier answers come too.
func exchange(s *socket, data []byte, to netip.AddrPort, kind, id string) (float64, error) {
	s.conn.SetReadDeadline(time.Now().Add(patience))
	began := time.Now()
	if err := s.send(data, to); err != nil {
		return 0, err
	}
	buf := make([]byte, wsd.MaxSize)
	for {
		p, err := s.read(buf)
		if err != nil {
			return 0, err
		}
		if took := time.Since(began); bytes.Contains(p.data, []byte(kind)) && bytes.Contains(p.data, []byte(id)) {
			return took.Seconds(), nil
		}
	}
}

// BenchmarkFind is the time in which a server is found, beside what the peer itself takes and what the network takes. The
// figures are medians.
func BenchmarkFind(b *testing.B) {
	device := wsd.Name{Space: "http://schemas.xmlsoap.org/ws/2006/02/devprof", Local: "Device"}
	for _, peer := range []string{"target", "wsdd", "wsdd2"} {
		b.Run(peer, func(b *testing.B) {
			there, here := twoHosts(b)
			echo := there.play(b, "echo")
			next[string](b, echo)
			switch peer {
			case "target":
				target := there.play(b, "target", "DISCOVERY_TEST_TYPE="+device.String())
				next[string](b, target)
			case "wsdd":
				there.program(b, "wsdd", "-4", "-i", "eth0", "-t")
			case "wsdd2":
				there.program(b, "wsdd2", "-4", "-w", "-i", "eth0")
			}
			awaitPort(b, there, wsd.Port)
			for b.Loop() {
				reportFind(b, here.play(b, "measure", "DISCOVERY_TEST_TYPE="+device.String()))
			}
		})
	}
}

func reportFind(b *testing.B, measuring *process) {
	var echo, peer, probe, call []float64
	for measuring.lines.Scan() {
		var one sample
		if err := json.Unmarshal(measuring.lines.Bytes(), &one); err != nil {
			b.Fatal(err)
		}
		echo, peer = append(echo, one.Echo), append(peer, one.Peer)
		probe, call = append(probe, one.Probe), append(call, one.Call)
	}
	measuring.stop(b)
	if len(probe) == 0 {
		b.Fatal("nothing was measured")
	}
	b.ReportMetric(0, "ns/op") // one op is a hundred rounds, which says nothing
	for name, list := range map[string][]float64{"echo-µs": echo, "peer-µs": peer, "probe-µs": probe, "call-µs": call} {
		b.ReportMetric(1e6*median(list), name)
	}
	b.ReportMetric(median(probe)/median(peer), "probe/peer")
	b.ReportMetric(median(peer)/median(echo), "peer/echo")
}

// program runs one of another author on the host until the end of the benchmark.
func (n namespace) program(t testing.TB, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		unavailable(t, "the program "+name)
	}
	cmd := n.command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// awaitPort waits until a program on the host has a UDP port.
func awaitPort(t testing.TB, n namespace, port int) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-poll.C {
		out, err := n.command("cat", "/proc/net/udp").Output()
		if err == nil && strings.Contains(string(out), fmt.Sprintf(":%04X ", port)) {
			return
		}
	}
	t.Fatalf("nobody has UDP port %d", port)
}

// swarmSize is how many targets answer one Probe at once.
const swarmSize = 1000

// playSwarm is a thousand targets, each with an address of its own in 10.79.0.0/16, that answer as the standard says.
func playSwarm(ctx context.Context) error {
	var responders []*responder
	for i := range swarmSize {
		r := newResponder(&Target{
			EPR: fmt.Sprintf("urn:uuid:4c0a8f6e-0c7a-4a43-9c0e-%012x", i), Types: []wsd.Name{serverType}, Scopes: []string{"vitrine://site/role/main"},
			XAddrs: func(a netip.Addr) []string { return []string{"mqtts://" + netip.AddrPortFrom(a, 7237).String()} },
		})
		responders = append(responders, r)
	}
	g := &membership{port: wsd.Port, interfaces: []string{"eth0"}, log: orDiscard(nil), tally: &tally{}}
	g.received = func(ctx context.Context, m *member, l *link, p packet) (fate, error) {
		if m.v4 == nil || !p.to.IsMulticast() {
			return ignored, nil
		}
		for i, r := range responders {
			own := swarmAddress(i)
			self := p
			self.to = own // what the answer is about, and where it comes from
			a, _, _ := r.answer(l, self)
			if a == nil {
				continue
			}
			from := p.from
			r.pending.Go(func() {
				if wait(ctx, randomDelay(appMaxDelay)) {
					transmit(ctx, a.copies, func() error { return m.sendFrom(a.data, from, m.link.iface.Index, own) })
				}
			})
		}
		return accepted, nil
	}
	err := g.run(ctx, ready)
	for _, r := range responders {
		r.pending.Wait()
	}
	return err
}

func swarmAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 79, byte(1 + i/250), byte(1 + i%250)})
}

// A census is what a client found, in what time, and with how much memory.
type census struct {
	Found, Calls int
	Seconds      float64 // until the last one was found for the first time
	HeapBytes    uint64  // the greatest size of the heap
	Counters     Counters
}

// playCount finds all that there are.
func playCount(ctx context.Context, client *Client, q wsd.Query, out *json.Encoder) error {
	client.Window = 2 * patience // a busy machine may need long to write a thousand answers
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var c census
	began, seen := time.Now(), map[string]bool{}
	var memory runtime.MemStats
	err := client.Probe(ctx, func(d Device) {
		c.Calls++
		if !seen[d.EPR] {
			seen[d.EPR] = true
			c.Seconds = time.Since(began).Seconds()
		}
		if len(seen) == swarmSize {
			enough()
		}
		if c.Calls%100 == 0 {
			runtime.ReadMemStats(&memory)
			c.HeapBytes = max(c.HeapBytes, memory.HeapInuse)
		}
	}, q)
	c.Found, c.Counters = len(seen), client.Counters()
	out.Encode(c)
	return err
}

// swarm has one Probe answered by a thousand targets.
func swarm(t testing.TB) census {
	there, here := twoHosts(t)
	var batch strings.Builder
	for i := range swarmSize {
		fmt.Fprintf(&batch, "address add %s/16 dev eth0\n", swarmAddress(i))
	}
	add := exec.Command("ip", "-n", string(there), "-batch", "-")
	add.Stdin = strings.NewReader(batch.String())
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ip: %v: %s", err, out)
	}
	here.ip(t, "address", "add", "10.79.0.1/16", "dev", "eth0")
	targets := there.play(t, "swarm")
	next[string](t, targets)
	return next[census](t, here.play(t, "count", "DISCOVERY_TEST_TYPE="+serverType.String(), "DISCOVERY_TEST_INTERFACES=eth0"))
}

// A thousand targets that answer one Probe within half a second are all found, with little memory.
func TestThousandTargets(t *testing.T) {
	c := swarm(t)
	if c.Found != swarmSize || c.HeapBytes > 64<<20 || c.Counters.Limited > 0 {
		t.Errorf("%+v", c)
	}
	t.Logf("%+v", c)
}

// BenchmarkThousandTargets is that, in figures.
func BenchmarkThousandTargets(b *testing.B) {
	for b.Loop() {
		c := swarm(b)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(c.Found), "found")
		b.ReportMetric(1e3*c.Seconds, "last-ms")
		b.ReportMetric(float64(c.HeapBytes)/(1<<20), "heap-MiB")
		b.ReportMetric(float64(c.Counters.Accepted+c.Counters.Repeated), "datagrams")
	}
}
