package session

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho/log"
)

// errSilent says that the server has gone without a word, as far as this end can tell.
var errSilent = errors.New("the server doesn't answer any more")

// A pinger has the server give a sign of life whenever it was silent for the interval, and ends the connection if none comes within half of that:
// one that is half open is so noticed within one and a half of the keepalive. The library's own needs up to two. It is a
// paho.Pinger.
type pinger struct {
	// interval says how long the connection may be silent now.
	interval func() time.Duration
	// answered is called with the time that an answer took.
	answered func(time.Duration)
	// lost is called with errSilent before the connection is closed.
	lost func(error)

	mu       sync.Mutex
	sent     time.Time
	received time.Time
	news     chan struct{}
}

func newPinger(interval func() time.Duration, answered func(time.Duration), lost func(error)) *pinger {
	now := time.Now()
	return &pinger{interval: interval, answered: answered, lost: lost, sent: now, received: now, news: make(chan struct{}, 1)}
}

// Run asks for signs of life until ctx ends. keepAlive, in seconds, is what was agreed with the server: it is silent no longer than that. A server
// that agrees to 0 wants no signs of life.
func (p *pinger) Run(ctx context.Context, conn net.Conn, keepAlive uint16) error {
	if keepAlive == 0 {
		keepAlive = math.MaxUint16 // this end wants one now and then
	}
	agreed := time.Duration(keepAlive) * time.Second
	interval := min(p.interval(), agreed)
	var writing sync.WaitGroup
	defer writing.Wait() // the connection is closed when ctx ends, which ends a write
	failed := make(chan error, 1)
	timer := time.NewTimer(interval)
	defer timer.Stop()
	var asked time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-p.news:
		case <-timer.C:
		}
		sent, received := p.last()
		now := time.Now()
		switch {
		case !asked.IsZero() && received.After(asked):
			p.answered(received.Sub(asked))
			asked, interval = time.Time{}, min(p.interval(), agreed)
		case !asked.IsZero() && now.Sub(asked) >= interval/2:
			p.lost(errSilent)
			_ = conn.Close() // which ends a write that hangs
			return errSilent
		}
		due := earlier(sent, received).Add(interval)
		if !asked.IsZero() {
			due = asked.Add(interval / 2)
		} else if !now.Before(due) {
			asked, due = now, now.Add(interval/2)
			p.PacketSent()
			writing.Go(func() {
				if _, err := packets.NewControlPacket(packets.PINGREQ).WriteTo(conn); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		timer.Reset(due.Sub(now))
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (p *pinger) last() (sent, received time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent, p.received
}

// PacketSent is called when a packet has been sent.
func (p *pinger) PacketSent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = time.Now()
}

// PacketReceived is called when a packet has come: whatever it is, the server lives.
func (p *pinger) PacketReceived() {
	p.mu.Lock()
	p.received = time.Now()
	p.mu.Unlock()
	poke(p.news)
}

// PingResp is called when an answer has come, which was a packet too.
func (p *pinger) PingResp() {}

// SetDebug does nothing: what there is to say is in the error.
func (p *pinger) SetDebug(log.Logger) {}
