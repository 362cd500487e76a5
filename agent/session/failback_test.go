package session

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"vitrine/agent/protocol"
)

// A switchboard dials brokers, unless they are switched off. It is the network of a session.
type switchboard struct {
	mu  sync.Mutex
	off map[string]bool
}

func (s *switchboard) set(addr string, off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off == nil {
		s.off = map[string]bool{}
	}
	s.off[addr] = off
}

func (s *switchboard) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	off := s.off[addr]
	s.mu.Unlock()
	if off {
		return nil, fmt.Errorf("%s is switched off", addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// When the main server dies the backup is taken at once, and when it is back and has been healthy the session returns, without ever being
// without a server. What is sent meanwhile arrives once.
func TestFailover(t *testing.T) {
	main, backup := newBroker(t), newBroker(t)
	var network switchboard
	c := with(t, main, backup)
	c.Dial, c.ReturnAfter = network.dial, 1500*time.Millisecond
	r := run(t, c)
	if s := r.await(protocol.StateConnected); s.Server != main.addr {
		t.Errorf("connected to %s", s.Server)
	}

	network.set(main.addr, true)
	died := time.Now()
	main.cut()
	s := r.await(protocol.StateDegraded)
	if s.Server != backup.addr || !strings.Contains(s.Error, main.addr+" is switched off") {
		t.Errorf("on the backup: %+v", s)
	}
	if took := time.Since(died); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	r.Event("x", "on the backup", time.Now())
	if p := backup.await("/event"); !strings.Contains(string(p.Payload), "on the backup") {
		t.Errorf("event %s", p.Payload)
	}

	network.set(main.addr, false)
	r.Kick() // its Hello
	back := time.Now()
	s = r.await(protocol.StateConnected, protocol.StateOffline, protocol.StateSearching, protocol.StateConnecting)
	if took := time.Since(back); s.Server != main.addr || s.Error != "" || took < c.ReturnAfter {
		t.Errorf("back after %v: %+v", took, s)
	}
	// The backup learns of it by a goodbye with the will, when the main one has the session.
	r.Event("x", "back", time.Now())
	if p := main.await("/event"); !strings.Contains(string(p.Payload), "back") {
		t.Errorf("event %s", p.Payload)
	}
}

// A main server that comes and goes doesn't get the session.
func TestReturnNeedsHealth(t *testing.T) {
	main, backup := newBroker(t), newBroker(t)
	var network switchboard
	network.set(main.addr, true)
	c := with(t, main, backup)
	c.Dial, c.ReturnAfter = network.dial, 2500*time.Millisecond
	r := run(t, c)
	r.await(protocol.StateDegraded)
	for range 2 {
		network.set(main.addr, false)
		r.Kick()
		for s := r.await(protocol.StateDegraded); !strings.Contains(s.Error, "is back"); {
			s = r.await(protocol.StateDegraded)
		}
		network.set(main.addr, true)
		r.Kick()
		for s := r.await(protocol.StateDegraded); !strings.Contains(s.Error, "switched off"); {
			s = r.await(protocol.StateDegraded)
		}
	}
	select {
	case <-main.connects:
		t.Error("the main server got the session")
	default:
	}
}

// A main server that proves itself but takes no sessions doesn't get the viewer, which stays where it is, and doesn't keep it from the
// backup either.
func TestMainRefuses(t *testing.T) {
	main, backup := newBroker(t), newBroker(t)
	main.connack = packets.Connack{ReasonCode: packets.ConnackServerUnavailable, Properties: &packets.Properties{}}
	c := with(t, main, backup)
	c.ReturnAfter = time.Second
	r := run(t, c)
	s := r.await(protocol.StateDegraded, protocol.StateOffline)
	if s.Server != backup.addr || !strings.Contains(s.Error, "the server is busy") {
		t.Errorf("%+v", s)
	}
	take(t, main.connects)
	select {
	case <-main.connects:
		t.Error("it was asked again, although it said that it is busy")
	case s := <-r.states:
		if !s.Up() {
			t.Errorf("%+v", s)
		}
	case <-time.After(3 * time.Second):
	}
}

// On a cluster of brokers the new connection ends the old one: that is no clone.
func TestMoveWithinCluster(t *testing.T) {
	main, backup := newBroker(t), newBroker(t)
	var network switchboard
	network.set(main.addr, true)
	c := with(t, main, backup)
	c.Dial, c.ReturnAfter = network.dial, time.Second
	c.Cloned = func(err error) { t.Error(err) }
	r := run(t, c)
	r.await(protocol.StateDegraded)
	network.set(main.addr, false)
	r.Kick()
	take(t, main.connects)
	backup.send(&packets.Disconnect{ReasonCode: packets.DisconnectSessionTakenOver, Properties: &packets.Properties{}})
	if s := r.await(protocol.StateConnected, protocol.StateOffline); s.Server != main.addr {
		t.Errorf("%+v", s)
	}
}

// A server that is busy is left alone for as long as it asks, and no longer than that and a half.
func TestRetryAfter(t *testing.T) {
	b := newBroker(t)
	b.connack = packets.Connack{ReasonCode: packets.ConnackServerBusy, Properties: &packets.Properties{User: []packets.User{{Key: protocol.PropertyRetryAfter, Value: "3"}}}}
	r := run(t, with(t, b))
	take(t, b.connects)
	refused := time.Now()
	go func() {
		for range 20 {
			r.Kick()
		}
	}()
	take(t, b.connects)
	if waited := time.Since(refused); waited < 3*time.Second || waited > 16*time.Second {
		t.Errorf("it came back after %v", waited)
	}
}

// Two addresses of one server are no reason to move.
func TestSameServerByAnotherAddress(t *testing.T) {
	b := newBroker(t)
	_, port, _ := net.SplitHostPort(b.addr)
	first := net.JoinHostPort("localhost", port)
	var network switchboard
	network.set(first, true)
	c := with(t)
	c.Servers = func() []Candidate {
		return []Candidate{{Addr: first, Source: Configured}, {Addr: b.addr, Source: Named}}
	}
	c.Dial, c.ReturnAfter = network.dial, time.Second
	r := run(t, c)
	r.await(protocol.StateDegraded)
	take(t, b.connects)
	network.set(first, false)
	r.Kick()
	if s := r.await(protocol.StateConnected, protocol.StateOffline); s.Server != b.addr {
		t.Errorf("%+v", s)
	}
	select {
	case <-b.connects:
		t.Error("the session moved")
	default:
	}
}

// A search that is stopped while servers keep it waiting ends at once.
func TestSearchEnds(t *testing.T) {
	c := with(t)
	c.Servers = func() []Candidate { return []Candidate{{Addr: "a:1"}, {Addr: "b:1"}} }
	dialled := make(chan string, 2)
	c.Dial = func(ctx context.Context, _, addr string) (net.Conn, error) {
		dialled <- addr
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r := run(t, c)
	take(t, dialled)
	take(t, dialled)
	r.stop()
}

// A server that takes connections and then doesn't answer CONNECT keeps the viewer from the next one for a moment only.
func TestMuteServer(t *testing.T) {
	main, backup := newBroker(t), newBroker(t)
	main.mute = true
	began := time.Now()
	r := run(t, with(t, main, backup))
	if s := r.await(protocol.StateDegraded, protocol.StateOffline); s.Server != backup.addr || time.Since(began) > checkTimeout+2*time.Second {
		t.Errorf("after %v %+v", time.Since(began), s)
	}
}

// A broker that looks at certificates in TLS alone refuses by an alert: then the certificate is renewed.
func TestCertificateRefusedInTLS(t *testing.T) {
	b := newBroker(t)
	b.refuseCertificates()
	c := with(t, b)
	renewed := make(chan string, 8)
	c.Identity = renewing{known{}, renewed}
	r := run(t, c)
	if s := r.await(protocol.StateOffline); !strings.Contains(s.Error, "it doesn't take this viewer's certificate") {
		t.Errorf("it says %q", s.Error)
	}
	if addr := take(t, renewed); addr != b.addr {
		t.Errorf("it was to be renewed at %s", addr)
	}
}

// renewing is an identity that notes where it was to be renewed.
type renewing struct {
	known
	at chan<- string
}

func (r renewing) Renew(_ context.Context, addr string) error {
	r.at <- addr
	return errNotHere
}
