// Package proxy makes TCP connections on networks that let nothing out but through an HTTP proxy: by its CONNECT method (RFC
// 9110, section 9.3.6), with a user name and password if the proxy wants them (Basic, RFC 7617), over TLS if it speaks that.
//
// It owns the choice between the direct way and the proxy, the tunnel, and the words for what a proxy does wrong. What goes
// through a tunnel is none of its business, and it never sends credentials to anybody but the proxy. It can't do the other
// ways to authenticate (Digest, Negotiate, NTLM), nor SOCKS, nor proxy auto-configuration.
package proxy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Times of a connection.
const (
	// connectTimeout bounds a TCP connection, and once more what there is to say to a proxy then.
	connectTimeout = 10 * time.Second
	// nearTimeout is how long a host on the same network may take before the proxy is tried: a first packet that was lost is
	// sent again after 1 s.
	nearTimeout = 2 * time.Second
)

// Config says how to make a Dialer.
type Config struct {
	// Proxy is the proxy's URL, such as "http://user:password@10.0.0.1:3128" or "https://proxy.example:3129"; empty if there
	// is none.
	Proxy string
	// Exempt are the targets for which the proxy isn't used, as in NO_PROXY: names, which stand for those below them too, names
	// that begin with a dot, for those below them only, addresses, networks such as "10.0.0.0/8", each but a network with a
	// ":port" if only that is meant, and "*" for all.
	Exempt []string
	// Roots are the authorities by which the certificate of a proxy that speaks TLS is believed; nil means the system's.
	Roots *x509.CertPool
	// Now is the time at which that certificate is judged. A clock that may be behind (atLeast) makes nothing of a
	// certificate that isn't valid yet. nil means the machine's time.
	Now func() (now time.Time, atLeast bool)
	// Near tells whether an address is on a network that this machine is on itself; nil means that none is.
	Near func(netip.Addr) bool
}

// A Dialer makes TCP connections. It is safe for concurrent use.
type Dialer struct {
	server *server
	exempt exemptions
	roots  *x509.CertPool
	now    func() (time.Time, bool)
	near   func(netip.Addr) bool
	tcp    net.Dialer
}

// New makes a Dialer. The error says what is wrong with the settings, and never has a password in it.
func New(c Config) (*Dialer, error) {
	d := &Dialer{
		roots: c.Roots, now: c.Now, near: c.Near,
		// Who uses a connection notices when it is dead; TCP's own signs of life would reach no further than the proxy.
		tcp: net.Dialer{Timeout: connectTimeout, KeepAlive: -1},
	}
	if d.now == nil {
		d.now = func() (time.Time, bool) { return time.Now(), false }
	}
	if d.near == nil {
		d.near = func(netip.Addr) bool { return false }
	}
	var err error
	if d.exempt, err = parseExemptions(c.Exempt); err != nil {
		return nil, err
	}
	if c.Proxy == "" {
		return d, nil
	}
	d.server, err = parseServer(c.Proxy)
	return d, err
}

// Proxy is the "host:port" of the proxy; empty if there is none.
func (d *Dialer) Proxy() string {
	if d.server == nil {
		return ""
	}
	return d.server.addr
}

// The ways to a target.
type way int

const (
	direct way = iota
	tunnelled
	// nearby is direct, and by the proxy if that fails: networks may keep their hosts apart.
	nearby
)

// DialContext connects to addr ("host:port") over TCP. The proxy looks up the names of its targets: its network may know names
// that this machine's doesn't. Loopback, link-local and exempt targets are never asked of the proxy; an address on this
// machine's own network is, if it gives no answer itself. A connection through the proxy has a method Proxy, which gives the
// proxy's "host:port". An error that has to do with the proxy is an *Error.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	switch d.way(addr) {
	case tunnelled:
		return d.tunnel(ctx, addr)
	case nearby:
		return d.dialNear(ctx, network, addr)
	}
	return d.tcp.DialContext(ctx, network, addr)
}

// way is the way to a target. What is no "host:port" goes the direct way, which says so.
func (d *Dialer) way(addr string) way {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || d.server == nil {
		return direct
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	ip = ip.Unmap()
	switch {
	case host == "localhost", d.exempt.match(host, port):
		return direct
	case err != nil:
		return tunnelled
	case ip.IsLoopback(), ip.IsLinkLocalUnicast(), ip.IsUnspecified():
		return direct
	case d.near(ip):
		return nearby
	}
	return tunnelled
}

// dialNear connects directly, and if the network doesn't allow that by the proxy. A host that refuses has been reached.
func (d *Dialer) dialNear(ctx context.Context, network, addr string) (net.Conn, error) {
	soon, cancel := context.WithTimeout(ctx, nearTimeout)
	defer cancel()
	conn, err := d.tcp.DialContext(soon, network, addr)
	if err == nil || errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil {
		return conn, err
	}
	conn, failed := d.tunnel(ctx, addr)
	if e, ok := errors.AsType[*Error](failed); ok {
		e.Direct = err
	}
	return conn, failed
}

// checkTarget refuses what could be more than a target in a request: addresses come from whoever answers a probe.
func checkTarget(addr string) error {
	for _, c := range []byte(addr) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("%.100q is not an address", addr)
		}
	}
	return nil
}
