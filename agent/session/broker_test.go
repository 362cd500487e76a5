package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"vitrine/agent/protocol"
)

// patience bounds every wait for something that must happen.
const patience = 20 * time.Second

// A broker is the other end of sessions, whose every answer a test can choose.
type broker struct {
	t    *testing.T
	addr string
	// connack is the answer to CONNECT; the zero value is success.
	connack packets.Connack
	// mute is true for a broker that never answers CONNECT.
	mute bool
	// used is up to which packet id it takes no SUBSCRIBE.
	used uint16
	// refuse gives the reason code of the answer to a PUBLISH; nil takes all.
	refuse func(*packets.Publish) byte

	connects  chan *packets.Connect
	published chan *packets.Publish
	// acked has a value for each message to a viewer that it has acknowledged.
	acked chan struct{}

	config   *tls.Config
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	ends     sync.WaitGroup
}

// newBroker starts a broker that runs until the test ends or stop is called.
func newBroker(t *testing.T) *broker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, connects: make(chan *packets.Connect, 64), published: make(chan *packets.Publish, 4096), acked: make(chan struct{}, 64)}
	b.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{protocol.ALPNMQTT}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.listener = tls.NewListener(lingering{l}, b.config)
	b.addr = b.listener.Addr().String()
	b.ends.Go(b.accept)
	t.Cleanup(b.stop)
	return b
}

// refuseCertificates makes the broker want a certificate, which a viewer without one hears of by an alert.
func (b *broker) refuseCertificates() {
	b.config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := b.config.Clone()
		c.GetConfigForClient, c.ClientAuth = nil, tls.RequireAnyClientCert
		return c, nil
	}
}

// lingering reads what still comes before it closes a connection: a reset would take the last word from the other end.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{conn.(*net.TCPConn)}, nil
}

type lingeringConn struct{ *net.TCPConn }

func (c *lingeringConn) Close() error {
	if c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.Copy(io.Discard, c.TCPConn) // whatever it is
	}
	return c.TCPConn.Close()
}

func (b *broker) stop() {
	b.listener.Close()
	b.cut()
	b.ends.Wait()
}

// cut ends every connection.
func (b *broker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
}

func (b *broker) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		conn = packets.NewThreadSafeConn(conn)
		b.mu.Lock()
		b.conns = append(b.conns, conn)
		b.mu.Unlock()
		b.ends.Go(func() { b.serve(conn) })
	}
}

// serve answers one viewer as a broker does.
func (b *broker) serve(conn net.Conn) {
	defer conn.Close()
	for {
		p, err := packets.ReadPacket(conn)
		if err != nil {
			return
		}
		var answer packets.Packet
		switch c := p.Content.(type) {
		case *packets.Connect:
			b.connects <- c
			if b.mute {
				continue
			}
			answer = &b.connack
		case *packets.Subscribe:
			ack := &packets.Suback{PacketID: c.PacketID, Properties: &packets.Properties{}, Reasons: []byte{1, 1}}
			if c.PacketID <= b.used {
				ack.Reasons = []byte{idInUse, idInUse}
			}
			answer = ack
		case *packets.Publish:
			ack := &packets.Puback{PacketID: c.PacketID, Properties: &packets.Properties{}}
			if b.refuse != nil {
				ack.ReasonCode = b.refuse(c)
			}
			b.published <- c
			answer = ack
			if c.QoS == 0 {
				continue
			}
		case *packets.Pingreq:
			answer = &packets.Pingresp{}
		case *packets.Puback:
			b.acked <- struct{}{}
			continue
		default:
			return
		}
		if _, err := answer.WriteTo(conn); err != nil {
			return
		}
	}
}

// send sends a packet to every viewer.
func (b *broker) send(p packets.Packet) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		// An error is that of an earlier connection, which has ended.
		_, _ = p.WriteTo(c)
	}
}

// command sends a command, with MQTT's properties of it.
func (b *broker) command(payload string, properties packets.Properties) {
	b.t.Helper()
	b.send(&packets.Publish{
		Topic: protocol.Topic("v1", protocol.KindCommand), QoS: 1, PacketID: 1, Payload: []byte(payload), Properties: &properties,
	})
}

// take gives the next value of a channel, which must come soon.
func take[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		t.Fatal("what must come doesn't come")
	}
	return v
}

// await gives the next message on a topic that ends so.
func (b *broker) await(suffix string) *packets.Publish {
	b.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case p := <-b.published:
			if strings.HasSuffix(p.Topic, suffix) {
				return p
			}
		case <-deadline:
			b.t.Fatalf("no message on %s", suffix)
		}
	}
}

// known is an identity that is enrolled, and trusts everybody.
type known struct{ nobody }

func (known) TLS(protocols ...string) (*tls.Config, error) {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}, nil
}

// with is the configuration of a session with some brokers, of which the first is the main one.
func with(t *testing.T, brokers ...*broker) Config {
	t.Helper()
	c := config(t)
	c.Identity = known{}
	c.Servers = func() []Candidate {
		var list []Candidate
		for i, b := range brokers {
			role := protocol.RoleMain
			if i > 0 {
				role = protocol.RoleBackup
			}
			list = append(list, Candidate{Addr: b.addr, Source: Named, Announced: protocol.Announced{Role: role}})
		}
		return list
	}
	return c
}

// A running session, with its states.
type running struct {
	*Session
	t      *testing.T
	states chan protocol.SessionStatus
	stop   func()
}

// run runs a session until the test ends or stop is called.
func run(t *testing.T, c Config) *running {
	t.Helper()
	r := &running{t: t, states: make(chan protocol.SessionStatus, 256)}
	c.Changed = func(s protocol.SessionStatus) { r.states <- s }
	r.Session = newSession(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// await waits for a state, and fails the test when one comes before it that mustn't.
func (r *running) await(state string, never ...string) protocol.SessionStatus {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-r.states:
			for _, n := range never {
				if s.State == n {
					r.t.Errorf("state %q: %+v", n, s)
				}
			}
			if s.State == state {
				return s
			}
		case <-deadline:
			r.t.Fatalf("no state %q; it is %+v", state, r.Status())
		}
	}
}

// journalOf keeps a journal over several sessions.
func journalOf(t *testing.T) string { return filepath.Join(t.TempDir(), "journal.jsonl") }

var errNotHere = errors.New("not here")
