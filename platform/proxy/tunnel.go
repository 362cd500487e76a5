package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of a proxy's answer: a broken or hostile one neither hangs a viewer nor fills its memory.
const (
	// maxAnswer is the length of its head in bytes, and maxInterim how many answers may come before the one that counts.
	maxAnswer  = 16 << 10
	maxInterim = 5
)

// tunnel has the proxy connect to addr.
func (d *Dialer) tunnel(ctx context.Context, addr string) (net.Conn, error) {
	if err := checkTarget(addr); err != nil {
		return nil, err
	}
	failed := func(err error) error { return &Error{Proxy: d.server.addr, Target: addr, Err: err} }
	raw, err := d.tcp.DialContext(ctx, "tcp", d.server.addr)
	if err != nil {
		return nil, failed(unreached(err))
	}
	// From here on a deadline ends what a proxy does too slowly, and a cancelled ctx is a deadline in the past.
	_ = raw.SetDeadline(time.Now().Add(connectTimeout))
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	conn, err := d.ask(raw, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		raw.Close()
		if ctx.Err() != nil {
			err = &refusal{reason: "has not connected to " + addr + " in time", advice: adviceUnreachable, err: ctx.Err()}
		}
		return nil, failed(err)
	}
	return conn, nil
}

// ask speaks to the proxy on a fresh connection, until that is a connection to addr.
func (d *Dialer) ask(conn net.Conn, addr string) (net.Conn, error) {
	if d.server.tls {
		secured, err := d.secure(conn)
		if err != nil {
			return nil, err
		}
		conn = secured
	}
	request := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: vitrine\r\n"
	authorization := d.server.authorization()
	if authorization != "" {
		request += "Proxy-Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"\r\n"); err != nil {
		return nil, unanswered(err, addr)
	}
	answer, early, err := readAnswer(conn)
	if err != nil {
		return nil, unanswered(err, addr)
	}
	if answer.StatusCode/100 != 2 {
		return nil, refused(answer, addr, authorization != "")
	}
	return &Conn{Conn: conn, early: early, proxy: d.server.addr}, nil
}

// errEndless says that an answer is longer than any that is meant well.
var errEndless = errors.New("its answer does not end")

// readAnswer reads the head of the answer to CONNECT. early is what came after it. A body, which only a refusal has, is not
// looked at.
func readAnswer(r io.Reader) (answer *http.Response, early []byte, err error) {
	limited := &io.LimitedReader{R: r, N: maxAnswer}
	buffered := bufio.NewReader(limited)
	for range maxInterim {
		answer, err = http.ReadResponse(buffered, &http.Request{Method: http.MethodConnect})
		switch {
		case err != nil && limited.N == 0:
			return nil, nil, errEndless
		case err != nil:
			return nil, nil, err
		case answer.StatusCode/100 != 1:
			// What is buffered can be read without a wait or an error.
			early = make([]byte, buffered.Buffered())
			_, _ = io.ReadFull(buffered, early)
			return answer, early, nil
		}
	}
	return nil, nil, errEndless
}

// A Conn is a connection through a proxy.
type Conn struct {
	net.Conn
	// early are bytes of the target that came together with the proxy's answer.
	early []byte
	proxy string
}

// Proxy is the "host:port" of the proxy.
func (c *Conn) Proxy() string { return c.proxy }

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(b, c.early)
		c.early = c.early[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
