// Package sntp has both ends of one exchange of time over the network: question and answer of NTP (RFC 5905), as its simple form has them (RFC 4330).
//
// It owns the packets, what of them is believed, and when they came. It keeps nothing from one exchange to the next, and knows no better time than
// what one server says.
package sntp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"
)

// The packet of RFC 5905, section 7.3, without extension fields.
const (
	packetSize = 48

	modeClient = 3
	modeServer = 4

	// localStratum is what a server says that follows nothing but its machine's clock: far from the reference, so that
	// a viewer with a better server prefers that one.
	localStratum = 10
	// precision is log2 of the clock's resolution in seconds: about a microsecond.
	precision = -20
	// refID is the code for a local clock, as in RFC 5905, figure 12.
	refID = 0x4C4F434C // "LOCL"
	// rootDispersion is 1/64 s in the 16.16 short format: what a local clock may well be off.
	rootDispersion = 1 << 10
)

// ntpEpoch is second 0 of NTP era 0 in Unix time (RFC 5905, section 6).
const ntpEpoch = -2208988800

// A Server answers SNTP requests (RFC 4330, section 6) from the machine's clock. It keeps no state for its clients, and an
// answer is never longer than the request, so that it is of no use for attacks by reflection.
type Server struct {
	conn  net.PacketConn
	log   *slog.Logger
	now   func() time.Time
	ready chan struct{}
}

// Listen opens a UDP port, such as ":123" or "127.0.0.1:0". log may be nil.
func Listen(addr string, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("time service: %w", err)
	}
	return &Server{conn: conn, log: log, now: time.Now, ready: make(chan struct{})}, nil
}

// Addr is the address that the server listens on.
func (s *Server) Addr() netip.AddrPort {
	return s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close closes the port of a server that is not run.
func (s *Server) Close() error { return s.conn.Close() }

// Ready is closed when Run answers.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// String names the task.
func (s *Server) String() string { return "time service" }

// Run answers until ctx ends, and then closes the port.
func (s *Server) Run(ctx context.Context) error {
	defer s.conn.Close()
	stop := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	close(s.ready)
	var request [packetSize + 1024]byte
	for {
		n, peer, err := s.conn.ReadFrom(request[:])
		received := s.now()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// An ICMP error for an earlier answer, for example; it concerns one peer, not the socket.
			s.log.Debug("A time request could not be read", "err", err)
			continue
		}
		answer, ok := reply(request[:n], received)
		if !ok {
			continue
		}
		putTime(answer[40:], s.now())
		if _, err := s.conn.WriteTo(answer[:], peer); err != nil {
			s.log.Debug("A time request could not be answered", "peer", peer, "err", err)
		}
	}
}

// reply makes the answer to a request, all but its transmit timestamp; ok is false for what isn't a client's request of
// version 3 or 4.
func reply(request []byte, received time.Time) (answer [packetSize]byte, ok bool) {
	if len(request) < packetSize {
		return answer, false
	}
	version := request[0] >> 3 & 7
	if request[0]&7 != modeClient || version < 3 || version > 4 {
		return answer, false
	}
	answer[0] = version<<3 | modeServer
	answer[1] = localStratum
	answer[2] = request[2]
	p := int8(precision)
	answer[3] = byte(p)
	binary.BigEndian.PutUint32(answer[8:], rootDispersion)
	binary.BigEndian.PutUint32(answer[12:], refID)
	putTime(answer[16:], received)
	copy(answer[24:32], request[40:48])
	putTime(answer[32:], received)
	return answer, true
}

// putTime writes a 64-bit NTP timestamp: 32 bits of seconds, which wrap at the era's end, and 32 of their fraction.
func putTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()-ntpEpoch))
	binary.BigEndian.PutUint32(b[4:], uint32((uint64(t.Nanosecond())<<32)/uint64(time.Second)))
}
