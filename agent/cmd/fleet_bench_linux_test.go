package cmd_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"golang.org/x/sync/errgroup"

	"vitrine/agent"
	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/platform/network/networktest"
)

// fleetSize is how many viewers are simulated.
const fleetSize = 2000

func rightNow() (time.Time, bool) { return time.Now(), false }

// A fleet is many viewers of one site.
type fleet struct {
	site  site
	addr  string
	ids   []*identity.Identity
	token protocol.JoinToken
}

// newFleet enrols viewers at a site's server.
func newFleet(b *testing.B, s site, addr string, n int) *fleet {
	b.Helper()
	text, _, code := run(b, "vitrine-server", "token", "create", "--uses", "0", "--state", s.state)
	token, err := protocol.ParseJoinToken(text)
	if err != nil || code != 0 {
		b.Fatal(err)
	}
	f := &fleet{site: s, addr: addr, ids: make([]*identity.Identity, n), token: token}
	var enrolments errgroup.Group
	enrolments.SetLimit(8)
	dir := b.TempDir()
	for i := range n {
		enrolments.Go(func() (err error) {
			if f.ids[i], err = identity.Open(filepath.Join(dir, strconv.Itoa(i)), nil); err != nil {
				return err
			}
			return f.ids[i].Enrol(b.Context(), addr, token, fmt.Sprintf("viewer %d", i), protocol.Device{}, rightNow)
		})
	}
	if err := enrolments.Wait(); err != nil {
		b.Fatal(err)
	}
	return f
}

// idle connects every viewer to a broker and has each say only what keeps it connected, until the returned function is called.
func (f *fleet) idle(b *testing.B, addr string) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var alive sync.WaitGroup
	var connecting errgroup.Group
	connecting.SetLimit(16)
	for _, id := range f.ids {
		connecting.Go(func() error {
			conn, err := hello(ctx, id, addr)
			if err != nil {
				return err
			}
			alive.Go(func() { ping(ctx, conn) })
			return nil
		})
	}
	if err := connecting.Wait(); err != nil {
		b.Fatal(err)
	}
	return func() {
		cancel()
		alive.Wait()
	}
}

// hello makes a session as a viewer does.
func hello(ctx context.Context, id *identity.Identity, addr string) (net.Conn, error) {
	config, err := id.ClientTLS(rightNow, protocol.ALPNMQTT)
	if err != nil {
		return nil, err
	}
	conn, err := tlsDial(ctx, addr, config)
	if err != nil {
		return nil, err
	}
	e, _ := id.Enrolment()
	expiry := uint32(7 * 24 * 3600)
	connect := packets.NewControlPacket(packets.CONNECT)
	c := connect.Content.(*packets.Connect)
	c.ClientID, c.KeepAlive, c.ProtocolName, c.ProtocolVersion = e.Viewer, 30, "MQTT", 5
	c.Properties.SessionExpiryInterval = &expiry
	subscribe := packets.NewControlPacket(packets.SUBSCRIBE)
	sub := subscribe.Content.(*packets.Subscribe)
	sub.PacketID = 1
	for _, kind := range []string{protocol.KindDesired, protocol.KindCommand} {
		sub.Subscriptions = append(sub.Subscriptions, packets.SubOptions{Topic: protocol.Topic(e.Viewer, kind), QoS: 1})
	}
	for _, p := range []*packets.ControlPacket{connect, subscribe} {
		if _, err := p.WriteTo(conn); err != nil {
			return nil, err
		}
		answer, err := packets.ReadPacket(conn)
		if err != nil {
			return nil, err
		}
		if ack, ok := answer.Content.(*packets.Connack); ok && ack.ReasonCode != 0 {
			return nil, fmt.Errorf("viewer %s: CONNACK 0x%02x", e.Viewer, ack.ReasonCode)
		}
	}
	return conn, nil
}

// ping keeps a session for as long as ctx lasts. What comes is read and thrown away.
func ping(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		buf := make([]byte, 512)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	})
	ticker := time.NewTicker(30 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			_, _ = packets.NewControlPacket(packets.PINGREQ).WriteTo(conn)
		case <-ctx.Done():
			return
		}
	}
}

// usage is what a process uses: resident memory in KiB, and processor time.
func usage(b *testing.B, pid int) (kib float64, cpu time.Duration) {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ = strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return kib, time.Duration(user+system) * 10 * time.Millisecond // proc(5): clock ticks, of which there are 100 a second
}

// BenchmarkIdleViewers gives what an idle viewer costs a server, beside mosquitto with the same certificates and clients.
func BenchmarkIdleViewers(b *testing.B) {
	if _, err := exec.LookPath("mosquitto"); err != nil {
		b.Skip("the program mosquitto is missing (package mosquitto)")
	}
	s := newSite(b)
	server, addr := s.serve(b, "127.0.0.1:0")
	f := newFleet(b, s, addr, fleetSize)
	server.kill() // what the enrolments left in its memory isn't that of idle viewers
	server, addr = s.serve(b, "127.0.0.1:0")
	peer, peerAddr := f.mosquitto(b)
	for b.Loop() {
		ours := f.cost(b, server.cmd.Process.Pid, addr)
		theirs := f.cost(b, peer.Pid, peerAddr)
		b.ReportMetric(ours.kib, "KiB/viewer")
		b.ReportMetric(theirs.kib, "KiB/viewer-mosquitto")
		b.ReportMetric(1<<20/ours.kib, "viewers/GiB")
		b.ReportMetric(ours.cpu, "%cpu/1000")
		b.ReportMetric(theirs.cpu, "%cpu/1000-mosquitto")
		b.ReportMetric(ours.handshakes, "handshakes/s")
		b.ReportMetric(theirs.handshakes, "handshakes/s-mosquitto")
	}
}

type cost struct{ kib, cpu, handshakes float64 }

// cost measures a broker with the whole fleet idle on it, for two of the fleet's keepalives.
func (f *fleet) cost(b *testing.B, pid int, addr string) cost {
	b.Helper()
	before, _ := usage(b, pid)
	began := time.Now()
	stop := f.idle(b, addr)
	took := time.Since(began)
	defer stop()
	_, cpuBefore := usage(b, pid)
	const window = time.Minute
	<-time.After(window)
	after, cpuAfter := usage(b, pid)
	n := float64(len(f.ids))
	return cost{
		kib:        (after - before) / n,
		cpu:        100 * (cpuAfter - cpuBefore).Seconds() / window.Seconds() / n * 1000,
		handshakes: n / took.Seconds(),
	}
}

// mosquitto runs the peer, with a certificate of the site.
func (f *fleet) mosquitto(b *testing.B) (*os.Process, string) {
	b.Helper()
	dir := b.TempDir()
	f.site.certificate(b, dir)
	port := networktest.FreePort(b)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	config := fmt.Sprintf("listener %d 127.0.0.1\nmax_connections -1\ncafile %s/ca.pem\ncertfile %s/server.pem\nkeyfile %s/server-key.pem\n"+
		"require_certificate true\nuse_identity_as_username true\ntls_version tlsv1.3\npersistence false\n", port, f.site.state, dir, dir)
	if os.Geteuid() == 0 {
		config += "user root\n" // who can read the site's folder
	}
	path := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	c := exec.Command("mosquitto", "-c", path)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return c.Process, addr
		}
		if time.Now().After(deadline) {
			b.Fatal("mosquitto doesn't listen")
		}
	}
}

// certificate makes a server's certificate of the site's CA.
func (s site) certificate(tb testing.TB, dir string) {
	tb.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(s.state, name))
		if err != nil {
			tb.Fatal(err)
		}
		block, _ := pem.Decode(data)
		return block.Bytes
	}
	ca, err := x509.ParseCertificate(read("ca.pem"))
	if err != nil {
		tb.Fatal(err)
	}
	caKey, err := x509.ParsePKCS8PrivateKey(read("ca-key.pem"))
	if err != nil {
		tb.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Organization: ca.Subject.Organization, CommonName: "broker"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, key.Public(), caKey)
	if err != nil {
		tb.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"server.pem": {Type: "CERTIFICATE", Bytes: der}, "server-key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}

// sessions runs the viewers' own sessions, all of them in this process, against servers in this order. up gets the time and the server of every
// session that is made.
func (f *fleet) sessions(b *testing.B, up chan<- arrival, addrs ...string) {
	b.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	dir := b.TempDir()
	for i, id := range f.ids {
		s, err := session.New(session.Config{
			Identity: enrolledIdentity{id},
			Servers: func() []session.Candidate {
				var list []session.Candidate
				for at, addr := range addrs {
					list = append(list, session.Candidate{Addr: addr, Source: session.Configured, Position: at})
				}
				return list
			},
			Place:    func() session.Place { return session.Place{} },
			Discover: func(context.Context, func(session.Candidate)) error { return nil },
			Report:   func() protocol.Reported { return protocol.Reported{Name: "viewer"} },
			Desired:  func(protocol.Desired) {},
			Changed: func(s protocol.SessionStatus) {
				if s.Up() {
					up <- arrival{time.Now(), s.Server}
				}
			},
			Journal: filepath.Join(dir, strconv.Itoa(i)),
		})
		if err != nil {
			b.Fatal(err)
		}
		running.Go(func() { _ = s.Run(ctx) })
	}
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

type arrival struct {
	at     time.Time
	server string
}

// arrivals waits until n sessions are up with a server, and gives when they were.
func arrivals(b *testing.B, up <-chan arrival, server string, n int) []time.Time {
	b.Helper()
	var list []time.Time
	timeout := time.After(5 * time.Minute)
	for len(list) < n {
		select {
		case a := <-up:
			if a.server == server {
				list = append(list, a.at)
			}
		case <-timeout:
			b.Fatalf("%d of %d sessions are up with %s", len(list), n, server)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}

// enrolledIdentity is an identity as a session sees it.
type enrolledIdentity struct{ *identity.Identity }

// BenchmarkFleetReturns gives how long it takes until all viewers are back after their server was killed and started again, at once or after a
// minute, with the waits of real viewers. The viewers' side of the handshakes is made by the same processors.
func BenchmarkFleetReturns(b *testing.B) {
	s := newSite(b)
	server, addr := s.serve(b, "127.0.0.1:0")
	f := newFleet(b, s, addr, fleetSize)
	up := make(chan arrival, 100*fleetSize)
	f.sessions(b, up, addr)
	arrivals(b, up, addr, fleetSize)
	<-time.After(stableSession) // or their waits would go on growing
	for _, outage := range []time.Duration{0, time.Minute} {
		b.Run("away-for-"+outage.String(), func(b *testing.B) {
			for b.Loop() {
				server.kill()
				<-time.After(outage)
				server, _ = s.serve(b, addr)
				ready := time.Now()
				list := arrivals(b, up, addr, fleetSize)
				b.ReportMetric(list[len(list)/2].Sub(ready).Seconds(), "s-median")
				b.ReportMetric(list[len(list)-1].Sub(ready).Seconds(), "s-all")
				b.ReportMetric(float64(peak(list)), "peak-handshakes/s")
			}
		})
	}
}

// stableSession is after how long the loss of a session is a new event for a viewer, not one more failure.
const stableSession = 61 * time.Second

// takeovers is how many viewers lose their main server at once.
const takeovers = 50

// BenchmarkTakeover gives the time from the death of the main server to the session with the backup: of a process that is killed, whose
// machine says so, and of a server from which nothing comes any more.
func BenchmarkTakeover(b *testing.B) {
	for _, silent := range []bool{false, true} {
		b.Run(map[bool]string{false: "killed", true: "silent"}[silent], func(b *testing.B) {
			s := newSite(b)
			main, mainAddr := s.serve(b, "127.0.0.1:0")
			f := newFleet(b, s, mainAddr, takeovers)
			_, backupAddr := s.backup(b).serve(b, "127.0.0.1:0", "--role", "backup", "--name", "backup")
			cable := newCable(b, mainAddr)
			if silent {
				mainAddr = cable.addr
			}
			up := make(chan arrival, 100*takeovers)
			f.sessions(b, up, mainAddr, backupAddr)
			arrivals(b, up, mainAddr, takeovers)
			<-time.After(45 * time.Second) // so that the viewers' signs of life are out of step, as in a fleet
			died := time.Now()
			if silent {
				cable.pull()
			} else {
				main.kill()
			}
			list := arrivals(b, up, backupAddr, takeovers)
			b.ReportMetric(list[len(list)/2].Sub(died).Seconds(), "s-median")
			b.ReportMetric(list[len(list)-1].Sub(died).Seconds(), "s-worst")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// A cable passes connections on to a server until it is pulled: then nothing comes through any more, and neither end is told.
type cable struct {
	addr   string
	pulled chan struct{}
}

func newCable(b *testing.B, to string) *cable {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	c := &cable{l.Addr().String(), make(chan struct{})}
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	pass := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			select {
			case <-c.pulled:
				<-ctx.Done()
				return
			default:
			}
			if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	open.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			context.AfterFunc(ctx, func() { near.Close(); far.Close() })
			open.Go(func() { pass(near, far) })
			open.Go(func() { pass(far, near) })
		}
	})
	b.Cleanup(func() {
		cancel()
		l.Close()
		open.Wait()
	})
	return c
}

func (c *cable) pull() { close(c.pulled) }

// BenchmarkIdleTraffic gives what an idle viewer sends and receives in a day, with all that belongs to it: the session, the clock, discovery. It is
// measured over the five minutes in which everything happens at least once.
func BenchmarkIdleTraffic(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("network namespaces need root")
	}
	for name, keepAlive := range map[string]int{"near": 30, "far": 90} { // on this network a third of it is used: 10 s, and 30 s as on a far one
		b.Run(name, func(b *testing.B) {
			l := newLab(b)
			s := newSite(b)
			start(b, l.host("a").prefix(), "vitrine-server", "run", "--state", s.state, "--media", s.media, "--site", "bench").await("The programme is up to date")
			settings := filepath.Join(b.TempDir(), "vitrine.toml")
			if err := os.WriteFile(settings, fmt.Appendf(nil, "[session]\nkeepalive = %d\n", keepAlive), 0o600); err != nil {
				b.Fatal(err)
			}
			start(b, l.host("b").prefix(), "vitrine", "run", "--config", settings, "--state", b.TempDir(), "--token-file", s.token(b))
			l.host("b").await("playing", func(s agent.Status) bool { return connected(s) && playing(s) })
			for b.Loop() {
				<-time.After(time.Minute) // after which the beginning is over
				bytes, packets := l.host("b").traffic()
				const window = 5 * time.Minute
				<-time.After(window)
				bytesAfter, packetsAfter := l.host("b").traffic()
				day := float64(24*time.Hour) / float64(window)
				b.ReportMetric((bytesAfter-bytes)*day/1e6, "MB/day")
				b.ReportMetric((packetsAfter-packets)*day, "packets/day")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// traffic is what a host has sent and received, in Ethernet frames.
func (h host) traffic() (bytes, packets float64) {
	h.t.Helper()
	for _, way := range []string{"rx", "tx"} {
		for what, sum := range map[string]*float64{"bytes": &bytes, "packets": &packets} {
			out := command(h.t, append(h.prefix(), "cat", "/sys/class/net/eth0/statistics/"+way+"_"+what)...)
			n, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
			if err != nil {
				h.t.Fatal(err)
			}
			*sum += n
		}
	}
	return bytes, packets
}

// peak is the most moments of a list within a second.
func peak(list []time.Time) (most int) {
	from := 0
	for i, at := range list {
		for at.Sub(list[from]) > time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

// BenchmarkThinLine is what a programme for ten viewers behind a thin line costs that line, as a multiple of one copy.
func BenchmarkThinLine(b *testing.B) {
	line := newThinLine(b, 100, 10, 40)
	for b.Loop() {
		b.ReportMetric(line.fetchTogether(), "copies")
	}
}
