package server

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/discovery/wsd"
)

// answerDelay is the most by which an answer to a probe is put off. The standard's half a second is for networks with
// hundreds of answering devices; a site has a few servers.
const answerDelay = 20 * time.Millisecond

// newUUID makes a random UUID (RFC 9562, section 5.4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// derivedUUID makes a UUID of the site's and of what tells a server from others (RFC 9562, section 5.8).
func derivedUUID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// target makes what announces the server and answers the probes of viewers.
func (s *Server) target() *discovery.Target {
	at := s.listener.Addr().(*net.TCPAddr).AddrPort()
	says := protocol.Announced{
		Site: s.site.Name(), Role: s.config.Role, Name: s.config.Name, Location: s.config.Location, Priority: s.config.Priority,
	}
	return &discovery.Target{
		EPR:    "urn:uuid:" + s.ID(),
		Types:  []wsd.Name{{Space: protocol.DiscoveryNamespace, Local: protocol.ServerType}},
		Scopes: says.Scopes(),
		XAddrs: func(local netip.Addr) []string {
			local = local.Unmap()
			if bound := at.Addr().Unmap(); !bound.IsUnspecified() {
				if bound.IsLoopback() && !local.IsLoopback() {
					return nil // out of reach for whoever asks there
				}
				local = bound
			}
			host := netip.AddrPortFrom(local, at.Port()).String()
			return []string{protocol.SchemeSession + "://" + host, protocol.SchemeContent + "://" + host}
		},
		MetadataVersion: uint32(time.Now().Unix()), // any of it may have changed since the last start
		MaxDelay:        answerDelay,
		OffLink:         s.config.ProbesFrom,
		Log:             s.log,
	}
}

// dialAddresses are the "host:port" addresses at which other machines can reach a listener; only loopback ones if there
// are no others.
func dialAddresses(listen net.Addr) []string {
	tcp := listen.(*net.TCPAddr)
	port := strconv.Itoa(tcp.Port)
	if !tcp.IP.IsUnspecified() {
		return []string{net.JoinHostPort(tcp.IP.String(), port)}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var others, loopback []string
	for _, a := range addrs {
		network, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		host := net.JoinHostPort(network.IP.String(), port)
		switch {
		case network.IP.IsLoopback():
			loopback = append(loopback, host)
		case network.IP.IsGlobalUnicast():
			others = append(others, host)
		}
	}
	if len(others) == 0 {
		return loopback
	}
	return others
}
