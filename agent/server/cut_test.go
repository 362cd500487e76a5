package server_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vitrine/agent/protocol"
)

// A shredder passes TLS records on to a server, in either direction, until it has passed so many; then it cuts the connection.
type shredder struct {
	net.Listener
	// left is how many records still pass; more than a connection has once the cable is mended.
	left  atomic.Int64
	reset bool
	ends  sync.WaitGroup
}

const mended = 1 << 40

func newShredder(t *testing.T, addr string, records int, reset bool) *shredder {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &shredder{Listener: l, reset: reset}
	s.left.Store(int64(records))
	s.ends.Go(func() {
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
			cut := sync.OnceFunc(func() {
				if tcp, ok := viewer.(*net.TCPConn); ok && s.reset {
					_ = tcp.SetLinger(0) // a reset instead of a goodbye
				}
				viewer.Close()
				server.Close()
			})
			s.ends.Go(func() { s.pass(server, viewer, cut) })
			s.ends.Go(func() { s.pass(viewer, server, cut) })
		}
	})
	t.Cleanup(s.ends.Wait)
	t.Cleanup(func() { l.Close() })
	return s
}

// pass passes whole records on (RFC 8446, section 5.1).
func (s *shredder) pass(to, from net.Conn, cut func()) {
	defer cut()
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, int(head[3])<<8|int(head[4]))
		if _, err := io.ReadFull(from, body); err != nil || s.left.Add(-1) < 0 {
			return
		}
		if _, err := to.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// The connection is cut before each record of handshake and session, by a goodbye or by a reset. Each time the viewer says what it saw, with the
// address, and has a session as soon as the connection bears one.
func TestCutAtEachRecord(t *testing.T) {
	s, _ := start(t, config(t, t.TempDir()))
	id := enrolled(t, s, "lobby")
	// More than enough to be connected: hello, hello, change cipher spec, extensions and certificates, CONNECT, CONNACK, and so on.
	for records := range 14 {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d records, reset %v", records, reset), func(t *testing.T) {
				t.Parallel()
				cable := newShredder(t, s.Addr().String(), records, reset)
				v, stop := connect(t, id, cable.Addr().String(), nil)
				defer stop()
				status := v.await(t, protocol.StateOffline)
				if !strings.HasPrefix(status.Error, cable.Addr().String()) || !strings.Contains(status.Error, "closed the connection") {
					t.Errorf("it says %q", status.Error)
				}
				cable.left.Store(mended)
				v.Kick()
				if back := v.await(t, protocol.StateConnected); back.Error != "" {
					t.Errorf("with an error: %q", back.Error)
				}
			})
		}
	}
}
