package agent

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
	"vitrine/platform/clock"
)

// viewerIdentity is the identity as the session sees it.
type viewerIdentity struct{ *Agent }

// Viewer is the id that the site gave.
func (v viewerIdentity) Viewer() (string, bool) {
	e, ok := v.identity.Enrolment()
	return e.Viewer, ok
}

// TLS is the configuration for servers of the site.
func (v viewerIdentity) TLS(protocols ...string) (*tls.Config, error) {
	return v.identity.ClientTLS(v.certificateTime, protocols...)
}

// errNoToken is all that a viewer without a token can say; an installer reads it.
var errNoToken = errors.New("this viewer has no join token: make one with `vitrine-server token create`, and put it into vitrine.toml or give it with --token")

// Enrol uses the join token.
func (v viewerIdentity) Enrol(ctx context.Context, addr string) error {
	if v.config.Token == nil {
		return errNoToken
	}
	err := v.identity.Enrol(ctx, addr, *v.config.Token, v.config.Name, v.device, v.certificateTime)
	if err != nil {
		return err
	}
	e, _ := v.identity.Enrolment()
	v.log.Info("Enrolled at site "+quote(e.Site)+" with the join token", "server", addr, "viewer", e.Name)
	v.showState()
	return nil
}

func quote(s string) string { return `"` + s + `"` }

// certificateTime is the time at which certificates are judged.
func (a *Agent) certificateTime() (time.Time, bool) {
	return a.clock.Now(), a.clock.Trust() < clock.TrustRTC
}

// publishingKey is the key that manifests must be signed with; nil before the viewer is enrolled.
func (a *Agent) publishingKey() ed25519.PublicKey {
	e, _ := a.identity.Enrolment()
	return e.PublishingKey
}

// contentBases are the servers that content is fetched from: the one of the session, or, while there is none, of the last.
func (a *Agent) contentBases() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.contentServer == "" {
		return nil
	}
	return []string{protocol.ContentURL(a.contentServer, "")}
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
	public := http.DefaultTransport.(*http.Transport).Clone()
	public.DisableCompression = true
	public.ResponseHeaderTimeout = contentConnect
	return &contentTransport{agent: a, site: site, public: public}
}

func (a *Agent) dialContent(ctx context.Context, network, addr string) (net.Conn, error) {
	config, err := viewerIdentity{a}.TLS("http/1.1")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, contentConnect)
	defer cancel()
	return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
}

// contentTransport chooses between the two by the host.
type contentTransport struct {
	agent        *Agent
	site, public http.RoundTripper
}

// RoundTrip implements http.RoundTripper. A server of the site, which has proved itself, also tells the time.
func (t *contentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.isSite(r.URL) {
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

func (t *contentTransport) isSite(u *url.URL) bool {
	t.agent.mu.Lock()
	defer t.agent.mu.Unlock()
	return u.Scheme == protocol.SchemeContent && u.Host == t.agent.contentServer
}

// query is what a server of this viewer's site answers to; before the viewer is enrolled, any server.
func (a *Agent) query() wsd.Query {
	q := wsd.Query{Types: []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}}}
	if e, ok := a.identity.Enrolment(); ok {
		q.Scopes = []string{protocol.SiteScope(e.Site)}
	}
	return q
}

// discover looks for servers by WS-Discovery.
func (a *Agent) discover(ctx context.Context, found func(addr string)) error {
	client := discovery.Client{Hosts: hostsOf(a.config.Servers), Log: a.log}
	return client.Probe(ctx, a.query(), func(d discovery.Device) {
		addrs := d.Addrs(protocol.SchemeSession)
		if len(addrs) == 0 {
			return
		}
		a.sayFound(d, addrs[0])
		for _, addr := range addrs {
			found(addr)
		}
	})
}

// sayFound logs a server when it is first found.
func (a *Agent) sayFound(d discovery.Device, addr string) {
	a.mu.Lock()
	known := a.found[d.EPR]
	a.found[d.EPR] = true
	a.mu.Unlock()
	if known {
		return
	}
	site, role := "?", "?"
	for _, scope := range d.Scopes {
		if s, r, ok := protocol.ParseRoleScope(scope); ok {
			site, role = s, r
		}
	}
	a.log.Info("Found a server by a WS-Discovery probe in "+d.RTT.Round(10*time.Microsecond).String(),
		"server", addr, "site", site, "role", role, "interface", d.Interface)
}

// hostsOf are the hosts of "host:port" addresses: discovery asks on its own port.
func hostsOf(addrs []string) []string {
	var hosts []string
	for _, addr := range addrs {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// listener is the task that hears servers come: one that starts is found without waiting for the next probe.
type listener struct{ *Agent }

// Run listens until ctx ends.
func (l listener) Run(ctx context.Context) error {
	client := discovery.Client{Log: l.log}
	query := l.query()
	return client.Listen(ctx, func(a discovery.Announcement) {
		// Anybody can forge this, so that it is only a reason to look.
		if !a.Bye && l.session.Status().State == protocol.StateOffline && query.Matches(a.Device.Version, a.Device.Endpoint) {
			l.log.Debug("A server says hello", "server", a.Device.EPR)
			l.session.Kick()
		}
	})
}

// String names the task.
func (l listener) String() string { return "listener for servers" }
