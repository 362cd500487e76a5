package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"vitrine/agent/identity"
	"vitrine/agent/protocol"
	"vitrine/agent/session"
	"vitrine/content/peer"
	"vitrine/content/stick"
	"vitrine/platform/clock"
	"vitrine/platform/network"
	"vitrine/platform/proxy"
)

// viewerIdentity is the identity as the session sees it.
type viewerIdentity struct{ *Agent }

// Viewer is the id that the site gave. An enrolment that couldn't be read is read once more.
func (v viewerIdentity) Viewer() (string, bool) {
	v.identity.Again()
	e, ok := v.identity.Enrolment()
	return e.Viewer, ok
}

// TLS is the configuration for servers of the site.
func (v viewerIdentity) TLS(protocols ...string) (*tls.Config, error) {
	c, err := v.identity.ClientTLS(v.certificateTime, protocols...)
	if err != nil {
		return nil, err
	}
	verify := c.VerifyConnection
	c.VerifyConnection = func(s tls.ConnectionState) error {
		err := verify(s)
		if trust, ok := errors.AsType[*identity.TrustError](err); ok && trust.Untimely {
			v.untimely.Store(true)
		}
		return err
	}
	return c, nil
}

// Enrol uses the join token, or without one asks for a person's approval. Whoever waits for that, and is given a token meanwhile, uses it; but not the one
// that it was enrolled with before, for which the site has turned it out.
func (v viewerIdentity) Enrol(ctx context.Context, addr string) error {
	settings := v.now()
	before, _ := v.identity.Enrolment()
	if settings.Token == nil || v.pairing() && settings.Token.ID == before.Token {
		return v.pair(ctx, addr)
	}
	err := v.overHTTPS(addr, func(addr string) error {
		return v.identity.Enrol(ctx, addr, *settings.Token, settings.Name, v.machineNow(), v.certificateTime)
	})
	switch {
	case err == nil:
		v.setPairing("")
		v.enrolled(addr, "with the join token")
	case v.pairing(): // which goes on, whatever is wrong with the token
		if asked := v.pair(ctx, addr); asked != nil {
			return errors.Join(err, asked)
		}
		return nil
	}
	return err
}

func (v viewerIdentity) enrolled(addr, how string) {
	e, _ := v.identity.Enrolment()
	v.log.Info("Enrolled at site "+quote(e.Site)+" "+how, "server", addr, "viewer", e.Name)
	v.fault(faultCloned, nil)
	v.showState()
}

// pair asks for a person's approval, and shows the code that this person is to compare.
func (v viewerIdentity) pair(ctx context.Context, addr string) error {
	err := v.overHTTPS(addr, func(addr string) error {
		return v.identity.Pair(ctx, addr, v.now().Name, v.machineNow(), v.certificateTime)
	})
	var pending *identity.PendingError
	if !errors.As(err, &pending) {
		v.setPairing("")
		if err == nil {
			v.enrolled(addr, "by its pairing code")
		}
		return err
	}
	if v.setPairing(pending.Code) {
		v.log.Info("This viewer waits for approval: compare its code with the one at the site", "code", pending.Code, "site", pending.Site, "server", addr)
	}
	return fmt.Errorf("%w: %w", session.ErrPending, err)
}

// setPairing shows a code, or none; it tells whether that is news.
func (a *Agent) setPairing(code string) bool {
	a.mu.Lock()
	news := a.code != code
	a.code = code
	a.mu.Unlock()
	if news {
		a.showState()
	}
	return news
}

// pairing tells whether the viewer waits for approval.
func (a *Agent) pairing() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.code != ""
}

// Renew has the certificate renewed, as renew does. If the site refuses even that, a person there must approve the viewer.
func (v viewerIdentity) Renew(ctx context.Context, addr string) error {
	err := v.renew(ctx, addr)
	refused, ok := errors.AsType[*identity.RefusedError](err)
	if err == nil {
		v.setPairing("") // it may have waited for approval, and is one of the site's after all
	}
	if !ok {
		return err
	}
	if refused.Cloned {
		v.fault(faultCloned, refused)
	}
	if asked := v.pair(ctx, addr); asked != nil {
		return fmt.Errorf("%w; %w", err, asked)
	}
	return nil
}

// renew has the certificate renewed. A viewer that is refused that, and was given another join token since it was enrolled, enrols anew with
// it: somebody wants it to. The token that it came with doesn't count, or revoking a viewer would be in vain as long as its token is good for
// more.
func (v viewerIdentity) renew(ctx context.Context, addr string) error {
	err := v.overHTTPS(addr, func(addr string) error {
		return v.identity.Renew(ctx, addr, v.machineNow(), v.renewalTime)
	})
	_, refused := errors.AsType[*identity.RefusedError](err)
	e, _ := v.identity.Enrolment()
	if token := v.now().Token; !refused || token == nil || token.ID == e.Token {
		return err
	}
	return v.Enrol(ctx, addr)
}

func quote(s string) string { return `"` + s + `"` }

// certificateTime is the time at which certificates are judged. A clock that nothing has confirmed may be behind, though it looks right: a flat battery
// leaves the time of the firmware, and systemd, which knows of 1970, goes on from when it was built. It may be ahead as well: what a server with a wrong clock
// said once is the time saved, and maybe the machine's, and then no server would ever be believed that could set it right. What is certain to be
// over is the moment at which the site made this viewer's own certificate, a few weeks ago: while nothing has confirmed the clock, it is no later than that.
//
// That also helps whoever has the key of a certificate of the site's that has expired since that moment, and no earlier one, on the network of a viewer that
// has just started or has no server: as a server it may give commands and tell the time, as a viewer have content. It can't publish: programmes and
// releases are signed by keys that are in no certificate.
func (a *Agent) certificateTime() (now time.Time, atLeast bool) {
	now, atLeast = a.clock.Now(), a.clock.Trust() < clock.TrustServer
	if e, ok := a.identity.Enrolment(); ok && atLeast && e.Issued().Before(now) {
		now = e.Issued()
	}
	return now, atLeast
}

// renewalTime is the time at which the certificate of a server that is to renew the viewer's is judged. The viewer's own may be of a day to come, if the site's
// clock was ahead when it made it: then no other server would be believed by it either. A new one is the way out, for it says when it was made by the
// hand of the site's CA, for a key that was never seen before: nobody with an old certificate can answer that, so that any will do to ask.
func (a *Agent) renewalTime() (now time.Time, atLeast bool) {
	if now, atLeast = a.certificateTime(); atLeast {
		now = a.config.Build
	}
	return now, atLeast
}

// publishingKey is the key that manifests must be signed with; nil before the viewer is enrolled.
func (a *Agent) publishingKey() ed25519.PublicKey {
	e, _ := a.identity.Enrolment()
	return e.PublishingKey
}

// openNetwork makes what connects to servers. An authority that can't be read is one that isn't believed: what needs none of it, as the programme on disk, plays on.
func (a *Agent) openNetwork() (err error) {
	n := a.config.Network
	if a.roots, err = proxy.ReadRoots(n.CAFiles, n.CA); err != nil {
		a.lacking = fmt.Errorf("the viewer starts without an authority of network.ca_files, and can't reach what has its certificates from it; put the file there, and restart the viewer: %w", err)
		a.log.Error("Settings of the network can't be used", "err", a.lacking)
	}
	a.dialer, err = proxy.New(proxy.Config{
		Proxy:  n.Proxy.Reveal(),
		Exempt: n.NoProxy,
		Roots:  a.roots,
		Now:    a.certificateTime,
		Near:   a.isNear,
	})
	if err != nil {
		return fmt.Errorf("network.proxy: %w", err)
	}
	if through := a.dialer.Proxy(); through != "" {
		a.log.Info("Servers that are not on this network are reached through a proxy", "proxy", through)
	}
	return nil
}

// isNear tells whether an address is on a network that this machine is on.
func (a *Agent) isNear(addr netip.Addr) bool {
	near, err := network.Connected(addr)
	if err != nil {
		a.log.Debug("The machine's networks can't be listed", "err", err)
	}
	return near
}

// Times of content connections.
const (
	contentIdle    = time.Minute
	contentConnect = 10 * time.Second
)

// contentTransport carries requests for content: to the site's servers with the viewer's identity, anywhere else as any
// program would.
func (a *Agent) contentTransport() http.RoundTripper {
	site := &http.Transport{
		DialTLSContext:        a.dialContent,
		IdleConnTimeout:       contentIdle,
		ResponseHeaderTimeout: contentConnect,
		MaxIdleConnsPerHost:   8,
		DisableCompression:    true,
	}
	public := a.publicTransport()
	public.DisableCompression = true
	return &contentTransport{agent: a, site: site, public: public}
}

// publicTransport carries requests as any program's would be.
func (a *Agent) publicTransport() *http.Transport {
	public := http.DefaultTransport.(*http.Transport).Clone()
	public.Proxy = nil // the dialer's business
	public.DialContext = a.dialer.DialContext
	public.TLSClientConfig = &tls.Config{RootCAs: a.roots, Time: a.clock.Now}
	public.ResponseHeaderTimeout = contentConnect
	return public
}

func (a *Agent) dialContent(ctx context.Context, network, addr string) (net.Conn, error) {
	config, err := viewerIdentity{a}.TLS("http/1.1")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, contentConnect)
	defer cancel()
	conn, err := a.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// contentTransport chooses between the two by the host.
type contentTransport struct {
	agent        *Agent
	site, public http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A server of the site, which has proved itself, also tells the time.
func (t *contentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.URL.Scheme {
	case peer.Scheme:
		return t.agent.exchange.Transport().RoundTrip(r)
	case stick.Scheme:
		return t.agent.sticks.RoundTrip(r)
	}
	if r.URL.Scheme != protocol.SchemeContent || !t.agent.isSite(r.URL.Host) {
		return t.public.RoundTrip(r)
	}
	resp, err := t.site.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		t.agent.clock.ServerTime(date, r.URL.Host)
	}
	return resp, nil
}
