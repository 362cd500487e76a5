package server_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"vitrine/agent/protocol"
)

// A relay is a cable that can be cut without either end being told.
type relay struct {
	net.Listener
	mu   sync.RWMutex // held for writing, nothing gets through
	ends sync.WaitGroup
}

// newRelay passes connections on to addr until the test ends.
func newRelay(t *testing.T, addr string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l}
	r.ends.Go(func() {
		for {
			viewer, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				viewer.Close()
				continue
			}
			r.ends.Go(func() { r.pass(server, viewer) })
			r.ends.Go(func() { r.pass(viewer, server) })
		}
	})
	t.Cleanup(r.ends.Wait)
	t.Cleanup(func() { l.Close() })
	return r
}

func (r *relay) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.mu.RLock()
			_, failed := to.Write(buf[:n])
			r.mu.RUnlock()
			if failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Doubt about the server costs a session nothing if the server is there, and ends it soon if it isn't: long before TCP
// notices.
func TestCheck(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	cable := newRelay(t, s.Addr().String())
	v, _ := connect(t, enrolled(t, s, "lobby"), cable.Addr().String(), nil)
	v.await(t, protocol.StateConnected)
	since := v.Status().Since
	v.Check()
	if status := v.Status(); status.State != protocol.StateConnected || status.Since != since {
		t.Errorf("the session didn't survive a check: %+v", status)
	}
	cable.mu.Lock()
	defer cable.mu.Unlock()
	began := time.Now()
	v.Check()
	v.await(t, protocol.StateOffline)
	if took := time.Since(began); took > 12*time.Second {
		t.Errorf("it took %v to find that the server is gone", took)
	}
}
