package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Times of connections to peers.
const (
	// connectTime bounds a connection and its handshake: a peer is on the same network, but may be busy.
	connectTime = 5 * time.Second
	// A peer that can't be reached isn't asked for that long, which doubles each time.
	firstBar = time.Minute
	lastBar  = time.Hour
)

// Transport carries requests to peers, by addresses with Scheme.
func (x *Exchange) Transport() http.RoundTripper { return x.client.Transport }

func (x *Exchange) transport() http.RoundTripper {
	return roundTripper{x, &http.Transport{
		DialTLSContext:        x.dial,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       idleTimeout,
		ResponseHeaderTimeout: wait + 10*time.Second,
	}}
}

// roundTripper translates the scheme, and remembers who can be reached again.
type roundTripper struct {
	x    *Exchange
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != Scheme {
		return nil, fmt.Errorf("%q is not an address at a peer", r.URL.Scheme)
	}
	name := r.URL.Host
	r = r.Clone(r.Context())
	r.URL.Scheme = "https"
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		t.x.reached(name, true)
	}
	return resp, err
}

// CloseIdleConnections lets http.Client close them.
func (t roundTripper) CloseIdleConnections() { t.next.(*http.Transport).CloseIdleConnections() }

// named finds a peer by the host of an address. x.mu is held.
func (x *Exchange) named(host string) *peer {
	for name, p := range x.peers {
		if hostOf(name) == host {
			return p
		}
	}
	return nil
}

// reached notes whether a peer could be reached.
func (x *Exchange) reached(host string, was bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.named(host)
	switch {
	case p == nil:
	case was:
		p.bar, p.barred = 0, time.Time{}
	default:
		p.bar = min(max(firstBar, 2*p.bar), lastBar)
		p.barred = time.Now().Add(p.bar)
		x.log.Debug("A peer can't be reached", "peer", p.Name, "retry", p.bar)
	}
}

// dial connects to a peer: at the address that it was last reached at, or else at the first that can be.
func (x *Exchange) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	p := x.named(host)
	var addrs []string
	if p != nil {
		addrs = append(addrs, p.Addrs...)
		if p.used != "" {
			addrs = append([]string{p.used}, addrs...)
		}
	}
	x.mu.Unlock()
	if p == nil {
		return nil, errors.New("this peer has gone")
	}
	config, err := x.config.Client()
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	dialer := tls.Dialer{Config: config}
	var failures []error
	for _, a := range addrs {
		conn, err := dialer.DialContext(limited, network, a)
		if err == nil {
			x.mu.Lock()
			p.used = a
			x.mu.Unlock()
			return conn, nil
		}
		failures = append(failures, err)
	}
	if ctx.Err() == nil {
		x.reached(host, false)
	}
	return nil, errors.Join(failures...)
}
