package session

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pinging runs a pinger on one end of a pipe, and gives the other end and its end.
func pinging(ctx context.Context, interval time.Duration, keepAlive uint16) (p *pinger, server net.Conn, ended <-chan error) {
	viewer, server := net.Pipe()
	done := make(chan error, 1)
	p = newPinger(func() time.Duration { return interval }, func(time.Duration) {}, func(error) {})
	context.AfterFunc(ctx, func() { viewer.Close() })
	go func() { done <- p.Run(ctx, viewer, keepAlive) }()
	return p, server, done
}

// A server that vanished is noticed within one and a half of the interval, whether it vanishes in silence or stops reading too.
func TestSilenceIsNoticed(t *testing.T) {
	for name, reads := range map[string]bool{"silent": true, "frozen": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, server, ended := pinging(t.Context(), 20*time.Second, 30)
				if reads {
					go io.Copy(io.Discard, server)
				}
				if err := <-ended; !errors.Is(err, errSilent) {
					t.Errorf("it ended with %v", err)
				}
				if took := time.Since(began); took != 30*time.Second {
					t.Errorf("it took %v", took)
				}
				server.Close()
			})
		})
	}
}

// Anything that comes is a sign of life, and a server that answers is asked once an interval, as long as it likes.
func TestSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, server, ended := pinging(ctx, time.Minute, 10) // the server wants it more often
		asked := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			b := make([]byte, 2)
			for {
				if _, err := io.ReadFull(server, b); err != nil {
					return
				}
				asked++
				time.Sleep(4 * time.Second)
				p.PacketReceived()
			}
		}()
		time.Sleep(10 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		<-done
		// Ten seconds after the last packet of either end.
		if asked < 42 || asked > 61 {
			t.Errorf("it was asked %d times in ten minutes", asked)
		}
	})
}

// The interval follows the way: short where packets are for nothing, halved where a connection is forgotten, and back with time.
func TestPathsAdapt(t *testing.T) {
	const keepAlive = 40 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var p paths
		far := 100 * time.Millisecond
		want := func(d time.Duration) {
			t.Helper()
			if got := p.interval("a:1", keepAlive); got != d {
				t.Errorf("the interval is %v, want %v", got, d)
			}
		}
		p.reached("a:1", far, keepAlive)
		want(keepAlive)
		p.reached("a:1", time.Millisecond, keepAlive)
		want(keepAlive / nearFactor)

		p.reached("a:1", far, keepAlive)
		p.wentSilent("a:1")
		time.Sleep(soon + time.Second) // the server was away
		p.reached("a:1", far, keepAlive)
		want(keepAlive)

		for _, d := range []time.Duration{20, 10, 5, 5} {
			p.wentSilent("a:1")
			time.Sleep(time.Second)
			p.reached("a:1", far, keepAlive)
			want(d * time.Second)
		}
		time.Sleep(calm)
		want(6250 * time.Millisecond)
		time.Sleep(24 * calm)
		want(keepAlive)
	})
}
