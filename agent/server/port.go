package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"vitrine/agent/protocol"
)

// handshakeTimeout bounds a TLS handshake and the wait for the first byte of a client without ALPN.
const handshakeTimeout = 10 * time.Second

// mqttConnect is the first byte of an MQTT CONNECT packet (MQTT 5, section 3.1).
const mqttConnect = 0x10

// tlsConn is a *tls.Conn, or one of which the first byte has been looked at.
type tlsConn interface {
	net.Conn
	ConnectionState() tls.ConnectionState
}

// A port is the one TCP port for both session and content: ALPN decides, or, for a client that offers none, its first byte.
type port struct {
	listener net.Listener
	config   *tls.Config
	log      *slog.Logger
	session  func(net.Conn) error
	content  *connQueue
	// open are the connections that the port looks after.
	open sync.WaitGroup
}

// run accepts connections until ctx ends, and returns once those that it looks after have ended.
func (p *port) run(ctx context.Context) error {
	defer p.open.Wait()
	defer p.content.Close()
	defer p.listener.Close()
	stop := context.AfterFunc(ctx, func() { p.listener.Close() })
	defer stop()
	for {
		conn, err := p.listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// Such as too many open files: let some connections end first.
			p.log.Warn("A connection could not be accepted", "err", err)
			pause(ctx, 100*time.Millisecond)
			continue
		}
		p.open.Go(func() { p.handle(ctx, conn) })
	}
}

// handle makes the handshake and passes the connection on.
func (p *port) handle(ctx context.Context, raw net.Conn) {
	conn := tls.Server(raw, p.config)
	handshake, cancel := context.WithTimeout(ctx, handshakeTimeout)
	err := conn.HandshakeContext(handshake)
	cancel()
	if err != nil {
		p.log.Debug("A TLS handshake failed", "peer", raw.RemoteAddr(), "err", err)
		raw.Close()
		return
	}
	switch conn.ConnectionState().NegotiatedProtocol {
	case protocol.ALPNMQTT:
		// On a stack of its own: that of a handshake is large, and a session lasts.
		p.open.Go(func() { p.serveSession(ctx, conn) })
	case "":
		p.sniff(ctx, conn)
	default:
		p.content.put(conn)
	}
}

// sniff decides by the first byte.
func (p *port) sniff(ctx context.Context, conn *tls.Conn) {
	peeked := &peekedConn{Conn: conn, reader: bufio.NewReaderSize(conn, 16)}
	conn.SetReadDeadline(time.Now().Add(handshakeTimeout))
	first, err := peeked.reader.Peek(1)
	conn.SetReadDeadline(time.Time{})
	switch {
	case err != nil:
		conn.Close()
	case first[0] == mqttConnect:
		p.serveSession(ctx, peeked)
	default:
		p.content.put(peeked)
	}
}

func (p *port) serveSession(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := p.session(conn); err != nil {
		p.log.Debug("A session ended", "peer", conn.RemoteAddr(), "err", err)
	}
}

// peekedConn is a connection of which some bytes are already in a buffer.
type peekedConn struct {
	*tls.Conn
	reader *bufio.Reader
}

func (c *peekedConn) Read(b []byte) (int, error) { return c.reader.Read(b) }

// connQueue is a net.Listener of connections that somebody else accepted.
type connQueue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newConnQueue(addr net.Addr) *connQueue {
	return &connQueue{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (q *connQueue) put(conn net.Conn) {
	select {
	case q.conns <- conn:
	case <-q.done:
		conn.Close()
	}
}

func (q *connQueue) Accept() (net.Conn, error) {
	select {
	case conn := <-q.conns:
		return conn, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

func (q *connQueue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

func (q *connQueue) Addr() net.Addr { return q.addr }

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
