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

	// LocalStratum is what a server says that follows nothing but its machine's clock: far from the reference, so that a viewer with a better server
	// prefers that one.
	LocalStratum = 10
	// localRefID is the code for a local clock, as in RFC 5905, figure 12.
	localRefID = 0x4C4F434C // "LOCL"
	// localDispersion is what a local clock may well be off.
	localDispersion = time.Second / 64
	// precision is log2 of the clock's resolution in seconds: about a microsecond.
	precision = -20
)

// ntpEpoch is second 0 of NTP era 0 in Unix time (RFC 5905, section 6).
const ntpEpoch = -2208988800

// A Reference is the time that a server gives, and what it says of itself.
type Reference struct {
	// Time is the time at which it is asked for, or sent.
	Time time.Time
	// Stratum is the server's distance from a reference clock, 1 to 15; 0 means that it knows no time, and it doesn't answer.
	Stratum int
	// Leap announces a leap second (RFC 5905, figure 9): 0 none, 1 one more, 2 one less.
	Leap int
	// RefID says what it follows (RFC 5905, figure 12); RefTime, when it last heard of that.
	RefID   uint32
	RefTime time.Time
	// RootDelay is the round trip to the reference clock, RootDispersion what may have been added to the error on the way.
	RootDelay, RootDispersion time.Duration
}

// RootDistance is the most by which the server's time can be wrong, apart from the way to it (RFC 5905, section 10).
func (r Reference) RootDistance() time.Duration { return r.RootDelay/2 + r.RootDispersion }

// Local is the reference of a server that follows nothing but its machine's clock.
func Local() Reference {
	now := time.Now()
	return Reference{Time: now, Stratum: LocalStratum, RefID: localRefID, RefTime: now, RootDispersion: localDispersion}
}

// A Server answers SNTP requests (RFC 4330, section 6). An answer is never longer than the request, and who asks too often gets none, so that it is of no use for attacks
// by reflection.
type Server struct {
	conn      *net.UDPConn
	log       *slog.Logger
	reference func() Reference
	limits    limits
	ready     chan struct{}
}

// Listen opens a UDP port, such as ":123" or "127.0.0.1:0". reference gives the time; nil means Local. log may be nil.
func Listen(addr string, reference func() Reference, log *slog.Logger) (*Server, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if reference == nil {
		reference = Local
	}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("time service: %w", err)
	}
	return &Server{conn: conn.(*net.UDPConn), log: log, reference: reference, ready: make(chan struct{})}, nil
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
	stamps := newStamps(s.conn)
	for {
		n, peer, waited, err := stamps.readFrom(request[:])
		received := s.reference()
		// When it came, and not when this process came to it: the difference would be half of the error of who asked.
		received.Time = received.Time.Add(-waited)
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
		switch s.limits.judge(peer.Addr(), time.Now()) {
		case refused:
			continue
		case warned:
			kiss(answer[:])
		default:
			putTime(answer[40:], s.reference().Time)
		}
		if _, err := s.conn.WriteToUDPAddrPort(answer[:], peer); err != nil {
			s.log.Debug("A time request could not be answered", "peer", peer, "err", err)
		}
	}
}

// reply makes the answer to a request, all but its transmit timestamp; ok is false for what isn't a client's request of
// version 3 or 4, and if there is no time.
func reply(request []byte, r Reference) (answer [packetSize]byte, ok bool) {
	if len(request) < packetSize || r.Stratum < 1 || r.Stratum > 15 {
		return answer, false
	}
	version := request[0] >> 3 & 7
	if request[0]&7 != modeClient || version < 3 || version > 4 {
		return answer, false
	}
	answer[0] = byte(r.Leap&3)<<6 | version<<3 | modeServer
	answer[1] = byte(r.Stratum)
	answer[2] = request[2]
	p := int8(precision)
	answer[3] = byte(p)
	putShort(answer[4:], r.RootDelay)
	putShort(answer[8:], r.RootDispersion)
	binary.BigEndian.PutUint32(answer[12:], r.RefID)
	putTime(answer[16:], r.RefTime)
	copy(answer[24:32], request[40:48])
	putTime(answer[32:], r.Time)
	return answer, true
}

// kiss makes an answer one that asks for fewer questions (RFC 5905, section 7.4).
func kiss(answer []byte) {
	answer[0] |= 3 << 6
	answer[1] = 0
	copy(answer[12:16], "RATE")
	copy(answer[40:48], answer[32:40])
}

// putShort writes a time in the short format of 16 bits of seconds and 16 of their fraction, rounded up.
func putShort(b []byte, d time.Duration) {
	const most = 1<<16*time.Second - 1
	v := (uint64(min(max(d, 0), most))<<16 + uint64(time.Second) - 1) / uint64(time.Second)
	binary.BigEndian.PutUint32(b, uint32(min(v, 1<<32-1)))
}

// putTime writes a 64-bit NTP timestamp: 32 bits of seconds, which wrap at the era's end, and 32 of their fraction.
func putTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()-ntpEpoch))
	binary.BigEndian.PutUint32(b[4:], uint32((uint64(t.Nanosecond())<<32)/uint64(time.Second)))
}
