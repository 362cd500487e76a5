package agent

import (
	"errors"
	"fmt"
	"net"
	"slices"

	"vitrine/agent/protocol"
	"vitrine/platform/proxy"
)

// A foundServer is what discovery found of one server, as "host:port" addresses.
type foundServer struct {
	session []string
	https   []string
}

// httpsOf lists where the server with this session address answers HTTPS, best first: at the same address, unless the site, or the
// server itself by discovery, says otherwise. It is never empty.
func (a *Agent) httpsOf(addr string) []string {
	site := a.siteServers()
	var all []string
	for _, s := range site {
		if slices.Contains(s.Addrs, addr) {
			return orSame(s.HTTPS, addr)
		}
		all = append(all, s.HTTPS...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.found {
		if slices.Contains(s.session, addr) {
			return orSame(besides(s.https, addr), addr)
		}
	}
	// It was reached at an address that the site doesn't know, as behind NAT or a load balancer.
	return orSame(all, addr)
}

func orSame(list []string, addr string) []string {
	if len(list) == 0 {
		return []string{addr}
	}
	return list
}

// besides lists the addresses with the same host as addr; none if addr itself is among them.
func besides(https []string, addr string) []string {
	if slices.Contains(https, addr) {
		return nil
	}
	host, _, _ := net.SplitHostPort(addr)
	return slices.DeleteFunc(slices.Clone(https), func(other string) bool {
		h, _, err := net.SplitHostPort(other)
		return err != nil || h != host
	})
}

// onlyHTTPS tells whether the site names this address for HTTPS, and not for sessions.
func (a *Agent) onlyHTTPS(addr string) bool {
	only := false
	for _, s := range a.siteServers() {
		if slices.Contains(s.Addrs, addr) {
			return false
		}
		only = only || slices.Contains(s.HTTPS, addr)
	}
	return only
}

// overHTTPS makes a request at the addresses where the server answers HTTPS, up to the first that can be reached.
func (a *Agent) overHTTPS(addr string, request func(addr string) error) error {
	var failed error
	for _, https := range a.httpsOf(addr) {
		err := request(https)
		if !unreachable(err) {
			return err
		}
		failed = also(failed, fmt.Errorf("%s: %w", https, err))
	}
	return failed
}

// unreachable tells whether there was no connection, with the server itself or with the proxy on the way to it.
func unreachable(err error) bool {
	_, direct := errors.AsType[*net.OpError](err)
	_, proxied := errors.AsType[*proxy.Error](err)
	return direct || proxied
}

// contentBases are the URLs that content is fetched from: those of the session's server, or, while there is none, of the last.
func (a *Agent) contentBases() []string {
	a.mu.Lock()
	server := a.contentServer
	a.mu.Unlock()
	if server == "" {
		return nil
	}
	var bases []string
	for _, addr := range a.httpsOf(server) {
		bases = append(bases, protocol.ContentURL(addr, ""))
	}
	return bases
}

// isSite tells whether a "host:port" is one where a server of the site answers HTTPS.
func (a *Agent) isSite(host string) bool {
	for _, s := range a.siteServers() {
		if slices.Contains(s.HTTPS, host) {
			return true
		}
	}
	a.mu.Lock()
	server := a.contentServer
	a.mu.Unlock()
	return server != "" && slices.Contains(a.httpsOf(server), host)
}

// also puts one error behind another, in one line.
func also(before, err error) error {
	if before == nil {
		return err
	}
	return fmt.Errorf("%w; %w", before, err)
}
