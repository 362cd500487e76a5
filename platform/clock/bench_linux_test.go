package clock

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A relay passes UDP packets to a server and back, with delays, and loses some.
type relay struct {
	conn   net.PacketConn
	server string
	delay  func() time.Duration
	loss   float64
	ends   sync.WaitGroup
}

// newRelay starts a relay on loopback that runs until the test ends, and gives its port.
func newRelay(t testing.TB, port int, delay func() time.Duration, loss float64) int {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{conn: conn, server: fmt.Sprintf("127.0.0.1:%d", port), delay: delay, loss: loss}
	r.ends.Go(r.run)
	t.Cleanup(func() {
		conn.Close()
		r.ends.Wait()
	})
	return conn.LocalAddr().(*net.UDPAddr).Port
}

func (r *relay) run() {
	for {
		b := make([]byte, 1500)
		n, peer, err := r.conn.ReadFrom(b)
		if err != nil {
			return
		}
		r.ends.Go(func() { r.pass(b[:n], peer) })
	}
}

// pass carries one question, and its answer.
func (r *relay) pass(question []byte, peer net.Addr) {
	to, err := net.Dial("udp", r.server) // before the way, of which it would make one direction longer
	if err != nil {
		return
	}
	defer to.Close()
	if !r.travel() {
		return
	}
	if _, err := to.Write(question); err != nil {
		return
	}
	b := make([]byte, 1500)
	if err := to.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return
	}
	n, err := to.Read(b)
	if err != nil || !r.travel() {
		return
	}
	_, _ = r.conn.WriteTo(b[:n], peer) // who asked may have gone
}

// travel takes the time of one way, on a thread of its own: timers of Go are right to a millisecond only. It is false for a packet that is lost.
func (r *relay) travel() bool {
	d := unix.NsecToTimespec(int64(r.delay()))
	for unix.Nanosleep(&d, &d) == unix.EINTR {
	}
	return rand.Float64() >= r.loss
}

// A rival is a chronyd that follows a server, without any right to the clock.
type rival struct{ socket string }

func newRival(b *testing.B, port int) rival {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "chrony")
	if err := os.Mkdir(dir, 0o750); err != nil {
		b.Fatal(err)
	}
	r := rival{filepath.Join(dir, "cmd.sock")}
	cmd := exec.Command("chronyd", "-d", "-x", "-u", "root", "-f", "/dev/null",
		fmt.Sprintf("server 127.0.0.1 port %d iburst minpoll 4 maxpoll 4", port),
		"cmdport 0", "bindcmdaddress "+r.socket, "pidfile "+filepath.Join(dir, "pid"), "port 0")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return r
}

var trackingOffset = regexp.MustCompile(`System time +: ([0-9.]+) seconds`)

// off is its own estimate of how far the system clock is off, which it isn't; ok is false before it has one.
func (r rival) off() (d time.Duration, ok bool) {
	out, err := exec.Command("chronyc", "-h", r.socket, "tracking").Output()
	found := trackingOffset.FindSubmatch(out)
	if err != nil || found == nil {
		return 0, false
	}
	s, err := strconv.ParseFloat(string(found[1]), 64)
	return time.Duration(s * float64(time.Second)), err == nil
}

// starts is how many clocks are started to see how long it takes them.
const starts = 8

// start starts a clock that is an hour wrong, and gives the time until it is right to 10 ms and stays so for 20 s.
func start(ctx context.Context, server string) time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	began := time.Now()
	k := New(Config{})
	k.civil.jump(k.counter(), k.civil.offset+time.Hour, 0)
	f := NewFollower(k, nil)
	f.SetServers(server)
	running.Go(func() { _ = f.Run(ctx) }) // it never fails
	right := time.Now()
	for time.Since(right) < 20*time.Second && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
		if off(k).Abs() >= 10*time.Millisecond {
			right = time.Now()
		}
	}
	return right.Sub(began)
}

// BenchmarkBesideChrony compares the error of a viewer's clock with that of chronyd's own estimate: same server, same kind of network, asked every 16 s, in one
// run. All clocks of a machine are one, so that every estimate is its own error. Two viewers say how far they are from each other. It takes VITRINE_MINUTES (20), of
// which the first five don't count.
func BenchmarkBesideChrony(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("chronyd wants to be started by root")
	}
	minutes := 20
	if s := os.Getenv("VITRINE_MINUTES"); s != "" {
		var err error
		if minutes, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	server := serveTime(b)
	type network struct {
		name    string
		delay   func() time.Duration
		loss    float64
		viewers [2]*Clock
		rival   rival
		// What was seen, in milliseconds.
		ours, theirs, apart []float64
		// begun is how long it took clocks to be right to 10 ms, in seconds.
		begun [starts]float64
	}
	networks := []*network{
		{name: "LAN", delay: func() time.Duration { return 50 * time.Microsecond }},
		{name: "jitter", delay: func() time.Duration { return 10*time.Millisecond + rand.N(20*time.Millisecond) }, loss: 0.01},
		{name: "WiFi", delay: func() time.Duration {
			d := time.Millisecond + time.Duration(rand.ExpFloat64()*float64(time.Millisecond))
			if rand.Float64() < 0.1 {
				d += time.Duration(rand.ExpFloat64() * float64(30*time.Millisecond))
			}
			return d
		}},
	}
	ctx, cancel := context.WithCancel(b.Context())
	var running sync.WaitGroup
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for _, n := range networks {
		for i := range n.viewers {
			n.viewers[i] = New(Config{})
			f := NewFollower(n.viewers[i], nil)
			f.SetServers(fmt.Sprintf("127.0.0.1:%d", newRelay(b, server, n.delay, n.loss)))
			running.Go(func() { _ = f.Run(ctx) }) // it never fails
		}
		n.rival = newRival(b, newRelay(b, server, n.delay, n.loss))
		for i := range n.begun {
			to := fmt.Sprintf("127.0.0.1:%d", newRelay(b, server, n.delay, n.loss))
			running.Go(func() { n.begun[i] = start(ctx, to).Seconds() })
		}
	}
	b.ResetTimer()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for at := range minutes * 60 {
		<-second.C
		if at < 5*60 {
			continue // both have to learn the frequency of the crystal, which a viewer keeps over a reboot
		}
		for _, n := range networks {
			theirs, ok := n.rival.off()
			if !ok {
				continue
			}
			a, c := off(n.viewers[0]), off(n.viewers[1])
			n.ours = append(n.ours, a.Abs().Seconds()*1e3)
			n.theirs = append(n.theirs, theirs.Abs().Seconds()*1e3)
			n.apart = append(n.apart, (a-c).Abs().Seconds()*1e3)
		}
	}
	cancel()
	running.Wait()
	for _, n := range networks {
		if len(n.ours) == 0 {
			b.Fatalf("%s: chronyd said nothing", n.name)
		}
		for _, list := range [][]float64{n.ours, n.theirs, n.apart, n.begun[:]} {
			slices.Sort(list)
		}
		at := func(list []float64, p float64) float64 { return list[int(p*float64(len(list)-1))] }
		b.Logf("%-7s viewer: median %.3f, p95 %.3f, p99 %.3f ms; chronyd: %.3f, %.3f, %.3f ms; two viewers apart: p99 %.3f ms; right to 10 ms after %.1f s, at worst %.1f s", n.name,
			at(n.ours, 0.5), at(n.ours, 0.95), at(n.ours, 0.99), at(n.theirs, 0.5), at(n.theirs, 0.95), at(n.theirs, 0.99), at(n.apart, 0.99),
			at(n.begun[:], 0.5), at(n.begun[:], 1))
		b.ReportMetric(at(n.ours, 0.95), n.name+"-p95-ms")
		b.ReportMetric(at(n.ours, 0.95)/at(n.theirs, 0.95), n.name+"-p95/chronyd")
		b.ReportMetric(at(n.apart, 0.99), n.name+"-apart-p99-ms")
	}
}
