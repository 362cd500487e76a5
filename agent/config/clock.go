package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"vitrine/agent/protocol"
)

// clock is the form of [clock].
type clock struct {
	Servers    []string `toml:"servers"`
	Serve      int      `toml:"serve"`
	Discipline string   `toml:"discipline"`
}

// Clock says whom the viewer asks for the time.
type Clock struct {
	// Servers are "host:port" addresses of NTP servers, beside the server of the session.
	Servers []string
	// Serve is the UDP port where neighbours may ask this viewer for the time; 0 is none.
	Serve uint16
	// System is true if the clock of the operating system is to be kept as well.
	System bool
}

// maxTimeServers bounds the number of servers: more don't make the time better.
const maxTimeServers = 8

func (c clock) check() (checked Clock, err error) {
	if len(c.Servers) > maxTimeServers {
		return Clock{}, fmt.Errorf("clock.servers: %d are too many; want %d at most", len(c.Servers), maxTimeServers)
	}
	for i, s := range c.Servers {
		addr, err := TimeServer(s)
		if err != nil {
			return Clock{}, fmt.Errorf("clock.servers[%d]: %w", i, err)
		}
		if slices.Contains(checked.Servers, addr) {
			return Clock{}, fmt.Errorf("clock.servers[%d]: %q is there twice", i, s)
		}
		checked.Servers = append(checked.Servers, addr)
	}
	if c.Serve < 0 || c.Serve > 65535 {
		return Clock{}, fmt.Errorf("clock.serve: %d is not a port; want 1 to 65535, usually %d, or 0 for none", c.Serve, protocol.NTPPort)
	}
	checked.Serve = uint16(c.Serve)
	switch c.Discipline {
	case "", "process":
	case "system":
		checked.System = true
	default:
		return Clock{}, fmt.Errorf("clock.discipline: %q: want \"process\" to keep the viewer's own clock only, or \"system\" to keep the system's with it", c.Discipline)
	}
	return checked, nil
}

// TimeServer is the "host:port" of an NTP server that is given as a host, with or without a port.
func TimeServer(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, strconv.Itoa(protocol.NTPPort)
		if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
			host = s[1 : len(s)-1]
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return "", fmt.Errorf("%q is not the address of a time server; want such as \"10.0.0.5\" or \"ntp.example.org\"", s)
	}
	return net.JoinHostPort(host, port), nil
}
