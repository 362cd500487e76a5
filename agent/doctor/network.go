package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"vitrine/agent/protocol"
	"vitrine/platform/clock/sntp"
	"vitrine/platform/wake"
)

// session tells whether there is a session now.
func (p *Patient) session() bool { return p.Reported != nil && p.Reported.Session.Up() }

// servers are the session addresses that are known, the one in use first.
func (p *Patient) servers() []string {
	list := p.Servers
	if p.Reported != nil && p.Reported.Session.Server != "" {
		list = append([]string{p.Reported.Session.Server}, list...)
	}
	var unique []string
	for _, s := range list {
		if !slices.Contains(unique, s) {
			unique = append(unique, s)
		}
	}
	return unique
}

func hostOf(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// names is whether the names in the settings can be looked up.
func names(ctx context.Context, p *Patient) []Finding {
	const check = "dns"
	var all []string
	if p.Proxy == "" { // which looks them up itself
		all = append(all, p.servers()...)
	} else {
		all = append(all, p.Proxy)
	}
	all = append(append(all, p.Hosts...), p.TimeServers...)
	var known, failed []string
	for _, addr := range all {
		host := hostOf(addr)
		if net.ParseIP(host) != nil || strings.Contains(host, "/") || host == "" || slices.Contains(known, host) {
			continue
		}
		known = append(known, host)
		if _, err := p.lookup(ctx, host); err != nil {
			failed = append(failed, reason(err))
		}
	}
	switch {
	case len(failed) > 0:
		return fail(check, strings.Join(failed, "; "), "check the names in the settings, and the DNS server in the network settings (/etc/resolv.conf)")
	case len(known) == 0:
		return ok(check, "no names need to be looked up")
	}
	return ok(check, "%s", strings.Join(known, ", "))
}

// reason puts a network's failure into few words.
func reason(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "there is no address for the name " + dns.Name
		}
		return "the DNS server doesn't say what the address of " + dns.Name + " is"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to it"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "it doesn't answer"
	}
	return err.Error()
}

// reach says why a TCP connection with addr can't be made.
func (p *Patient) reach(ctx context.Context, addr string) error {
	conn, err := p.Dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// portSession is the port of the session and of content.
func portSession(ctx context.Context, p *Patient) []Finding {
	check := fmt.Sprintf("port %d/tcp", protocol.SessionPort)
	if p.session() {
		via := ""
		if p.Reported.Session.Proxy != "" {
			via = ", through the proxy " + p.Reported.Session.Proxy
		}
		return ok(check, "connected to %s%s", p.Reported.Session.Server, via)
	}
	servers := p.servers()
	if len(servers) == 0 {
		return warn(check, "no server is known yet", "see port 3702/udp: a server must be found, or be named in `servers`")
	}
	var failed []string
	for _, addr := range servers {
		if err := p.reach(ctx, addr); err != nil {
			failed = append(failed, addr+": "+reason(err))
			continue
		}
		if p.Reported == nil {
			return ok(check, "%s takes connections", addr)
		}
		return fail(check, addr+" takes connections, but there is no session: "+p.Reported.Session.Error, "see to that; the logs of viewer and server say more")
	}
	return fail(check, strings.Join(failed, "; "), "see whether vitrine-server runs there, and let TCP port 7237 through, or name a proxy in network.proxy")
}

// portDiscovery is the port by which servers are found.
func portDiscovery(ctx context.Context, p *Patient) []Finding {
	const check = "port 3702/udp"
	found, err := p.Discover(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		return fail(check, "no probe can be sent: "+reason(err), "see to the network: `ip address` shows whether this machine has an address")
	case len(found) > 0:
		return ok(check, "found %s", strings.Join(found, ", "))
	case p.session() || len(p.Servers) > 0:
		return ok(check, "no server answers probes here, and none needs to: servers are known otherwise")
	}
	return fail(check, "no server answers probes", "let UDP port 3702 and multicast (239.255.255.250, ff02::c) through, also on Wi-Fi access points; or name the server in `servers`")
}

// portTime is the port of time servers.
func portTime(ctx context.Context, p *Patient) []Finding {
	const check = "port 123/udp"
	var answers, failed []string
	if p.Reported != nil {
		for _, s := range p.Reported.Clock.Sources {
			if s.Reach != 0 {
				answers = append(answers, s.Server)
			}
		}
	}
	for _, addr := range p.timeServers() {
		if slices.Contains(answers, addr) {
			continue
		}
		if _, err := sntp.Exchange(ctx, addr); err != nil {
			failed = append(failed, addr+": "+reason(err))
			continue
		}
		answers = append(answers, addr)
	}
	do := "let UDP port 123 through to the server, or name a time server of this network in clock.servers"
	switch {
	case len(answers) > 0 && len(failed) > 0:
		return warn(check, strings.Join(answers, ", ")+" answers; "+strings.Join(failed, "; "), "let UDP port 123 through to those that don't, or take them out of clock.servers")
	case len(answers) > 0:
		return ok(check, "%s answers", strings.Join(answers, ", "))
	case len(failed) > 0:
		return warn(check, "no time server answers: "+strings.Join(failed, "; "), do)
	}
	return warn(check, "no time server is known", do)
}

// timeServers are those of the settings, and the servers of the site where they usually answer.
func (p *Patient) timeServers() []string {
	list := slices.Clone(p.TimeServers)
	if p.Reported != nil && len(p.Reported.Clock.Sources) > 0 {
		for _, s := range p.Reported.Clock.Sources {
			list = append(list, s.Server)
		}
	} else {
		for _, s := range p.servers() {
			list = append(list, net.JoinHostPort(hostOf(s), strconv.Itoa(protocol.NTPPort)))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// portsWake is whether magic packets are heard. That somebody listens on a port doesn't say that the viewer does.
func portsWake(_ context.Context, p *Patient) []Finding {
	var list []Finding
	open, readable := p.udpPorts()
	for _, port := range p.WakePorts {
		check := fmt.Sprintf("port %d/udp", port)
		switch taken := slices.Contains(open, port); {
		case p.Hears != nil:
			list = append(list, heard(check, port, *p.Hears)...)
		case !readable:
			list = append(list, warn(check, "whether anybody listens can't be seen on this system", "run this as root or as the viewer's user while it runs: it says so itself")...)
		case p.Reported != nil && !taken:
			list = append(list, warn(check, "nobody listens for magic packets", mayListen)...)
		case p.Reported == nil && taken:
			list = append(list, warn(check, "another program has taken the port", "`ss -lunp` shows which; magic packets go to it as well only if it shares the port")...)
		case taken:
			list = append(list, ok(check, "somebody listens; whether it is the viewer only the viewer itself can say: run this as root or as its user")...)
		default:
			list = append(list, ok(check, "the port is free")...)
		}
	}
	return list
}

const mayListen = "install the viewer as a service: ports below 1024 need a right; without it, magic packets in Ethernet frames may still be heard"

// heard is what the viewer itself says of one of its ports.
func heard(check string, port uint16, h wake.Hearing) []Finding {
	err, tried := h.Ports[port]
	why, do := "the viewer doesn't have it yet", "run this again in a moment"
	switch {
	case tried && err == nil:
		return ok(check, "magic packets are awaited")
	case errors.Is(err, syscall.EADDRINUSE):
		why, do = "another program has the port", "`ss -lunp` shows which: end it, or see to the right to raw sockets, by which magic packets are heard beside it"
	case errors.Is(err, fs.ErrPermission):
		why, do = "the viewer may not listen on it", mayListen
	case err != nil:
		why, do = err.Error(), "see to that, and start the viewer again: `vitrine service restart`"
	}
	if h.Frames {
		return ok(check, "magic packets to it are heard by raw sockets, though not at the port itself: %s", why)
	}
	return warn(check, "magic packets to it aren't heard: "+why, do)
}

// udpPorts are the ports on which anybody listens, from the kernel's table (proc(5)); readable is false where there is none.
func (p *Patient) udpPorts() (open []uint16, readable bool) {
	for _, file := range []string{"proc/self/net/udp", "proc/self/net/udp6"} {
		table := p.read(file)
		readable = readable || table != ""
		for line := range strings.Lines(table) {
			fields := strings.Fields(line)
			if len(fields) < 2 {
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); err == nil {
				open = append(open, uint16(n))
			}
		}
	}
	return open, readable
}

// portsWeb are the server's ports for plain browsers, which this viewer doesn't need.
func portsWeb(ctx context.Context, p *Patient) []Finding {
	const check = "ports 80, 443/tcp"
	servers := p.servers()
	if len(servers) == 0 {
		return ok(check, "no server is known; only plain browsers need them")
	}
	var open []string
	for _, port := range []string{"80", "443"} {
		if p.reach(ctx, net.JoinHostPort(hostOf(servers[0]), port)) == nil {
			open = append(open, port)
		}
	}
	if len(open) == 0 {
		return ok(check, "%s has them closed; only plain browsers need them", hostOf(servers[0]))
	}
	return ok(check, "%s takes connections on %s", hostOf(servers[0]), strings.Join(open, ", "))
}

// viaProxy is whether the proxy can be reached; whether it lets sessions through is seen at port 7237/tcp.
func viaProxy(ctx context.Context, p *Patient) []Finding {
	const check = "proxy"
	if p.Proxy == "" {
		return ok(check, "none is used")
	}
	var direct net.Dialer
	conn, err := direct.DialContext(ctx, "tcp", p.Proxy)
	if err != nil {
		return fail(check, p.Proxy+": "+reason(err), "check network.proxy in the settings, and whether the proxy lets this machine's address in")
	}
	_ = conn.Close() // nothing was written
	return ok(check, "%s takes connections", p.Proxy)
}
