package sntp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/beevik/ntp"

	"vitrine/platform/clock/counter"
)

// Limits on what is believed of an answer.
const (
	// Timeout bounds one exchange, with the resolving of a name.
	Timeout = 2 * time.Second
	// maxProcessing is how long a server may say that it took to answer.
	maxProcessing = time.Second
	// strays is how many datagrams that are no answer to the question are passed over.
	strays = 10000
)

// An Answer is what one exchange proves, and what the server says of itself.
type Answer struct {
	// At is the reading of the counter when the answer came. The true time since 1970 was then between At+Min and At+Max, if the server's time is.
	At       time.Duration
	Min, Max time.Duration
	// Reference is what the server says of itself, with the time at which it sent the answer.
	Reference
}

// RTT is the round trip without what the server took, and with what its clock's precision adds.
func (a Answer) RTT() time.Duration { return a.Max - a.Min }

// Offset is the middle of what is possible.
func (a Answer) Offset() time.Duration { return a.Min + a.RTT()/2 }

// A KissError is a server's wish to be left alone (RFC 5905, section 7.4).
type KissError struct {
	// Code is RATE for less often, DENY and RSTR for never; there are others.
	Code string
}

func (e *KissError) Error() string {
	switch e.Code {
	case "RATE":
		return "the server wants to be asked less often (kiss code RATE)"
	case "DENY", "RSTR":
		return fmt.Sprintf("the server refuses this client (kiss code %s)", e.Code)
	}
	return fmt.Sprintf("the server sends the kiss code %q", e.Code)
}

// Exchange asks the server at addr ("host:port") once. Datagrams that don't answer the question are passed over, so that nobody who can't read it can keep
// the answer away, or forge it.
func Exchange(ctx context.Context, addr string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	var c *conn
	resp, err := ntp.QueryWithOptions(addr, ntp.QueryOptions{
		Timeout: Timeout,
		// Times are taken here: the system's clock may be set in between.
		GetSystemTime: func() time.Time { return c.reading() },
		Dialer: func(_, remote string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(ctx, "udp", remote)
			if err != nil {
				return nil, err
			}
			c = newConn(ctx, raw)
			return c, nil
		},
	})
	switch {
	case c != nil && c.kiss != "":
		return Answer{}, &KissError{c.kiss}
	case c != nil && c.blank:
		return Answer{}, errors.New("its answer has no time")
	case ctx.Err() != nil:
		return Answer{}, fmt.Errorf("no answer within %v", Timeout)
	case err != nil:
		return Answer{}, err
	}
	if c.simple {
		resp.ReferenceTime = resp.Time // simple servers don't say, and the library reads a zero as 2036
	}
	if err := resp.Validate(); err != nil {
		return Answer{}, err
	}
	return c.answer(resp)
}

// A conn is the way to a server for one exchange. It passes over what is no answer, and notes when packets go and come.
type conn struct {
	net.Conn
	stamps *stamps
	origin uint64
	// sent and received are readings of the counter.
	sent, received time.Duration
	// kiss is the code of an answer that is none; blank is one without times, simple one without a reference time.
	kiss          string
	blank, simple bool
	// stop ends the watch over the context.
	stop func() bool
}

// newConn makes the way for an exchange, which ends with ctx.
func newConn(ctx context.Context, raw net.Conn) *conn {
	c := &conn{Conn: raw, stamps: newStamps(raw)}
	c.stop = context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // an error means that it is closed
	return c
}

// SetDeadline does nothing: the exchange ends with its context.
func (c *conn) SetDeadline(time.Time) error { return nil }

// Close closes it.
func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// reading is the last moment that was noted, or now; as a time of day it means nothing.
func (c *conn) reading() time.Time {
	at := c.received
	if at == 0 {
		at = counter.Now()
	}
	return time.Unix(0, 0).Add(at)
}

// Write sends the question.
func (c *conn) Write(b []byte) (int, error) {
	if len(b) >= packetSize {
		c.origin = binary.BigEndian.Uint64(b[40:])
	}
	c.stamps.mark()
	c.sent = counter.Now()
	return c.Conn.Write(b)
}

// Read waits for the answer.
func (c *conn) Read(b []byte) (int, error) {
	for range strays {
		n, received, err := c.stamps.read(b)
		if err != nil {
			if isRefused(err) {
				return 0, errors.New("nobody answers NTP there (port unreachable)")
			}
			return 0, err
		}
		if n < packetSize || b[0]&7 != modeServer || binary.BigEndian.Uint64(b[24:]) != c.origin {
			continue
		}
		c.received = received
		if b[1] == 0 {
			c.kiss = kissCode(b[12:16])
		}
		c.simple = binary.BigEndian.Uint64(b[16:]) == 0
		c.blank = binary.BigEndian.Uint64(b[32:]) == 0 || binary.BigEndian.Uint64(b[40:]) == 0
		return n, nil
	}
	return 0, errors.New("a flood of packets that answer nothing")
}

// kissCode is a code of four letters, with everything else left out: it is printed.
func kissCode(b []byte) string {
	code := make([]byte, 0, len(b))
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			code = append(code, c)
		}
	}
	if len(code) == 0 {
		return "none"
	}
	return string(code)
}

// answer judges what the library lets pass.
func (c *conn) answer(r *ntp.Response) (Answer, error) {
	received, sent := r.Timestamps.ServerRecv, r.Timestamps.ServerXmit
	a := Answer{
		At:  c.received,
		Min: time.Duration(sent.UnixNano()) - c.received, Max: time.Duration(received.UnixNano()) - c.sent,
		Reference: Reference{
			Time: sent, Stratum: int(r.Stratum), Leap: int(r.Leap), RefID: r.ReferenceID, RefTime: r.ReferenceTime,
			RootDelay: r.RootDelay, RootDispersion: r.RootDispersion,
		},
	}
	if r.Precision > 0 && r.Precision <= maxProcessing { // a clock that ticks seldom
		a.Min -= r.Precision
		a.Max += r.Precision
	}
	processing := sent.Sub(received)
	switch {
	case r.Version < 3 || r.Version > 4:
		return Answer{}, fmt.Errorf("it answers in version %d", r.Version)
	// The library takes an answer with a zero receive time for one of another era, with a round trip of years.
	case processing < 0 || processing > maxProcessing:
		return Answer{}, fmt.Errorf("it says that it took %v to answer", processing)
	case a.RTT() > Timeout:
		return Answer{}, fmt.Errorf("implausible round trip of %v", a.RTT())
	// And gives 0 for one that the server says took it longer than it was away, which would be a perfect one.
	case a.RTT() <= 0:
		return Answer{}, fmt.Errorf("it says that it took %v to answer, but the answer was there after %v", processing, c.received-c.sent)
	}
	return a, nil
}

// apart is how far the system clock is ahead of the counter.
func apart() time.Duration { return time.Duration(time.Now().UnixNano()) - counter.Now() }
