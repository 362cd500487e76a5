package clock

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"vitrine/platform/clock/envelope"
	"vitrine/platform/clock/sntp"
)

// How often a source is asked.
const (
	// burst is how many questions are asked at burstInterval at the start, and after the counter has jumped.
	burst         = 8
	burstInterval = 250 * time.Millisecond
	// The interval is between minPoll and maxPoll (2^4 and 2^10 s), and for the one that screens follow no more than maxPlayoutPoll: a crystal is
	// off by a millisecond after some minutes.
	minPoll        = 16 * time.Second
	maxPoll        = 1024 * time.Second
	maxPlayoutPoll = 64 * time.Second
	// A source that is known less well than settledBound is asked often for settleTime: on a network with large round trips the first answers say little.
	settledBound = 2 * time.Millisecond
	settleTime   = 10 * time.Minute
	// steadyPolls is after how many answers that were as expected the interval is doubled.
	steadyPolls = 8
	// retryFirst is the wait after a first question without an answer.
	retryFirst = time.Second
	// resolveAfter is after how many failures in a row a name is resolved again.
	resolveAfter = 3
	// denied is how long a server is left alone that refuses this client.
	denied = time.Hour
)

var errDisagrees = errors.New("what it says contradicts what it said before; waiting for more that agrees")

// A source is one server that is asked. The Follower's mutex guards it.
type source struct {
	// name is the "host:port" that was configured, or comes with the session.
	name       string
	designated bool

	// asked is the address behind the name that is asked, as long as it answers.
	asked    string
	filter   *envelope.Filter
	last     sntp.Answer
	reach    uint8
	failures int
	// kissed is true for one that wanted to be left alone: it is asked in no bursts any more.
	kissed  bool
	err     error
	verdict string

	// left is what is left of a burst; interval and steady are the state of the polling, and least what the server wants.
	left     int
	interval time.Duration
	least    time.Duration
	steady   int
	wake     chan struct{}
}

func newSource(name string, designated bool, frequency float64, known bool) *source {
	return &source{
		name: name, designated: designated, filter: envelope.New(frequency, known),
		left: burst, interval: minPoll, least: minPoll, wake: make(chan struct{}, 1),
	}
}

// took takes an answer or the lack of it, and gives the wait until the next question. fresh is true if the source's line has changed.
func (s *source) took(a sntp.Answer, err error) (wait time.Duration, fresh bool) {
	s.reach <<= 1
	s.err = err
	if err != nil {
		return s.failed(err), false
	}
	s.reach |= 1
	s.failures, s.last = 0, a
	before, known := s.filter.Estimate()
	verdict := s.filter.Add(envelope.Sample{At: a.At, Min: a.Min, Max: a.Max})
	after, _ := s.filter.Estimate()
	expected := known && (before.Extend(a.At).Offset-after.Offset).Abs() <= after.Bound/2
	switch {
	case verdict == envelope.Doubted:
		s.err = errDisagrees
		s.interval, s.steady = s.least, 0
	case verdict == envelope.Stepped || known && !expected:
		s.interval, s.steady = max(s.least, s.interval/2), 0
	case s.left > 0: // a burst is over before a crystal can show how it runs
	case after.Bound < settledBound || after.Span >= settleTime:
		s.steady++
	}
	if s.left > 0 {
		s.left--
		if s.left > 0 {
			return burstInterval, verdict != envelope.Doubted
		}
	}
	if s.steady >= steadyPolls {
		s.interval, s.steady = min(s.interval*2, max(s.least, s.most())), 0
	}
	return spread(s.interval), verdict != envelope.Doubted
}

func (s *source) most() time.Duration {
	if s.designated {
		return maxPlayoutPoll
	}
	return maxPoll
}

// failed is the wait after a question without an answer.
func (s *source) failed(err error) time.Duration {
	s.failures++
	s.left = min(s.left, 1) // a burst is for those who answer
	if s.failures%resolveAfter == 0 {
		s.asked = ""
	}
	if kiss, ok := errors.AsType[*sntp.KissError](err); ok {
		s.left, s.kissed = 0, true
		switch kiss.Code {
		case "RATE":
			s.least = min(s.least*2, maxPoll)
			s.interval = max(s.interval, s.least)
		case "DENY", "RSTR":
			return spread(denied)
		}
		return spread(s.interval)
	}
	if _, ok := s.filter.Estimate(); ok {
		return spread(s.interval)
	}
	return spread(min(retryFirst<<min(s.failures-1, 6), maxPlayoutPoll))
}

// again starts a burst: for a counter that has jumped, or a network that has changed.
func (s *source) again() {
	if s.kissed {
		return
	}
	s.left = burst
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// says is the verdict on the source, or why there is none.
func (s *source) says() string {
	switch {
	case s.err != nil:
		return s.err.Error()
	case s.verdict != "":
		return s.verdict
	case s.last.Time.IsZero():
		return "not asked yet"
	}
	return "not used"
}

// line is what the source says by now; ok is false if it has said nothing.
func (s *source) line() (l line, ok bool) {
	e, ok := s.filter.Estimate()
	return line{e, s.last.RootDistance()}, ok
}

// spread keeps a fleet from asking in step.
func spread(d time.Duration) time.Duration { return d - rand.N(d/20+1) }

// refID is what a server that follows another says of it: its IPv4 address, or the first four bytes of the MD5 hash of its IPv6 address (RFC 5905, section 7.3).
func refID(addr string) uint32 {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0
	}
	if ip := a.Addr().Unmap(); ip.Is4() {
		b := ip.As4()
		return binary.BigEndian.Uint32(b[:])
	}
	b := a.Addr().As16()
	sum := md5.Sum(b[:]) // no secret: the standard's way to make it short
	return binary.BigEndian.Uint32(sum[:])
}

// resolve gives an address behind a "host:port".
func resolve(ctx context.Context, name string) (string, error) {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return name, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sntp.Timeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(addrs[rand.IntN(len(addrs))], port), nil
}
