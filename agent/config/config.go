// Package config defines the file by which a person sets up a viewer, vitrine.toml.
//
// It owns the file's form: it reads it strictly, names the line of every mistake, and gives back values that are ready for
// use. It does no I/O and knows nothing of what it configures.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"vitrine/agent/protocol"
	"vitrine/discovery"
	"vitrine/platform/proxy"
)

// MaxSize is the largest file that Parse takes, in bytes.
const MaxSize = 64 << 10

// file is the form of vitrine.toml.
type file struct {
	Name    string   `toml:"name"`
	Token   string   `toml:"token"`
	Servers []string `toml:"servers"`
	State   string   `toml:"state"`
	Page    string   `toml:"page"`
	Log     string   `toml:"log"`
	Wake    magic    `toml:"wake"`

	Location  string `toml:"location"`
	Discovery search `toml:"discovery"`
	Session   line   `toml:"session"`
	Network   lan    `toml:"network"`

	Content content `toml:"content"`
	Clock   clock   `toml:"clock"`
}

type lan struct {
	Proxy   string   `toml:"proxy"`
	NoProxy []string `toml:"no_proxy"`
	CAFiles []string `toml:"ca_files"`
}

type line struct {
	KeepAlive   *int `toml:"keepalive"`
	ReturnAfter *int `toml:"return_after"`
}

type search struct {
	Hosts      []string `toml:"hosts"`
	Proxies    []string `toml:"proxies"`
	Interfaces []string `toml:"interfaces"`
	SourcePort int      `toml:"source_port"`
	Announce   bool     `toml:"announce"`
}

// A Config is a checked vitrine.toml. What the file leaves out has its zero value.
type Config struct {
	// Name is what the viewer would like to be called.
	Name string
	// Token lets it enrol; nil if there is none.
	Token *protocol.JoinToken
	// Servers are "host:port" addresses of servers to try before those that are found.
	Servers []string
	// State is the folder for identity and content.
	State string
	// Page is the loopback "host:port" of the player page.
	Page string
	// Log is the level: debug, info, warn or error.
	Log string
	// Wake says which magic packets wake the viewer.
	Wake Wake
	// Location is where the viewer is.
	Location protocol.Location
	// Discovery says how servers are looked for.
	Discovery Discovery
	// Session says how the session is kept.
	Session Session
	// Network says what the network asks of connections.
	Network Network
	// Content says how content is fetched and kept.
	Content Content
	// Clock says whom the viewer asks for the time.
	Clock Clock
}

// Network says what the network asks of connections to servers.
type Network struct {
	// Proxy is the URL of the HTTP proxy by which servers on other networks are reached; a secret, since it may have a password
	// in it. Its zero value means none.
	Proxy protocol.Secret
	// NoProxy are the targets for which it isn't used, as in the environment variable NO_PROXY.
	NoProxy []string
	// CAFiles are files with authorities, in PEM form, that are believed beside the system's: by a proxy that speaks TLS, and by
	// sources of content outside the site.
	CAFiles []string
}

// Session says how the session is kept. 0 leaves a choice to the agent.
type Session struct {
	// KeepAlive is how long it may be silent.
	KeepAlive time.Duration
	// ReturnAfter is how long a better server must have been healthy before the session goes over to it.
	ReturnAfter time.Duration
}

// Discovery says how servers are looked for, and whether the viewer itself can be found.
type Discovery struct {
	// Hosts are asked directly: names, addresses, or networks such as "10.2.0.0/24".
	Hosts []string
	// Proxies are discovery proxies to ask too.
	Proxies []string
	// Interfaces are the network interfaces to use; none means all.
	Interfaces []string
	// SourcePort is the UDP port to ask from; 0 means any.
	SourcePort uint16
	// Announce lets others on the network find the viewer.
	Announce bool
}

// Parse reads a vitrine.toml. A key that doesn't exist is an error, since a misspelt one would be silently without effect.
// Errors name the line, and never repeat a token.
func Parse(data []byte) (Config, error) {
	if len(data) > MaxSize {
		return Config{}, fmt.Errorf("%d bytes are more than the limit of %d", len(data), MaxSize)
	}
	var f file
	decoder := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return Config{}, explain(err)
	}
	return f.check()
}

// explain puts the decoder's errors in one line each.
func explain(err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var lines []string
		for _, e := range unknown.Errors {
			line, column := e.Position()
			lines = append(lines, fmt.Sprintf("line %d, column %d: there is no setting called %q", line, column, strings.Join(e.Key(), ".")))
		}
		return errors.New(strings.Join(lines, "; "))
	}
	if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := syntax.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(syntax.Error(), "toml: "))
	}
	return err
}

func (f file) check() (Config, error) {
	c := Config{Name: f.Name, State: f.State, Page: f.Page, Log: f.Log}
	if f.Name != "" {
		if err := protocol.CheckName(f.Name); err != nil {
			return Config{}, err
		}
	}
	if f.Token != "" {
		token, err := protocol.ParseJoinToken(f.Token)
		if err != nil {
			return Config{}, fmt.Errorf("token: %w", err)
		}
		c.Token = &token
	}
	for i, s := range f.Servers {
		addr, err := ServerAddress(s)
		if err != nil {
			return Config{}, fmt.Errorf("servers[%d]: %w", i, err)
		}
		c.Servers = append(c.Servers, addr)
	}
	switch f.Log {
	case "", "debug", "info", "warn", "error":
	default:
		return Config{}, fmt.Errorf("log = %q: want debug, info, warn or error", f.Log)
	}
	location, err := protocol.ParseLocation(f.Location)
	if err != nil {
		return Config{}, err
	}
	c.Location = location
	if c.Discovery, err = f.Discovery.check(); err != nil {
		return Config{}, err
	}
	if c.Session, err = f.Session.check(); err != nil {
		return Config{}, err
	}
	if c.Network, err = f.Network.check(); err != nil {
		return Config{}, err
	}
	if c.Content, err = f.Content.check(); err != nil {
		return Config{}, err
	}
	if c.Clock, err = f.Clock.check(); err != nil {
		return Config{}, err
	}
	c.Wake, err = f.Wake.check()
	return c, err
}

func (l line) check() (s Session, err error) {
	if s.KeepAlive, err = seconds("session.keepalive", l.KeepAlive, 5, 3600); err != nil {
		return Session{}, err
	}
	s.ReturnAfter, err = seconds("session.return_after", l.ReturnAfter, 1, 86400)
	return s, err
}

func (l lan) check() (Network, error) {
	n := Network{Proxy: protocol.NewSecret(l.Proxy), NoProxy: l.NoProxy, CAFiles: l.CAFiles}
	if l.Proxy != "" {
		if err := proxy.Check(l.Proxy); err != nil {
			return Network{}, fmt.Errorf("network.proxy: %w", err)
		}
	}
	for i, s := range l.NoProxy {
		if err := proxy.CheckExempt(s); err != nil {
			return Network{}, fmt.Errorf("network.no_proxy[%d]: %w", i, err)
		}
	}
	for i, file := range l.CAFiles {
		if file == "" {
			return Network{}, fmt.Errorf("network.ca_files[%d]: want the name of a file", i)
		}
	}
	return n, nil
}

// seconds checks a setting in seconds; nil is one that isn't there.
func seconds(name string, n *int, least, most int) (time.Duration, error) {
	if n == nil {
		return 0, nil
	}
	if *n < least || *n > most {
		return 0, fmt.Errorf("%s: %d is out of range; want %d to %d seconds", name, *n, least, most)
	}
	return time.Duration(*n) * time.Second, nil
}

func (d search) check() (Discovery, error) {
	for what, hosts := range map[string][]string{"hosts": d.Hosts, "proxies": d.Proxies} {
		for i, host := range hosts {
			if err := discovery.CheckHost(host); err != nil {
				return Discovery{}, fmt.Errorf("discovery.%s[%d]: %w", what, i, err)
			}
		}
	}
	if d.SourcePort < 0 || d.SourcePort > 65535 {
		return Discovery{}, fmt.Errorf("discovery.source_port: %d is not a port; want 1 to 65535", d.SourcePort)
	}
	return Discovery{Hosts: d.Hosts, Proxies: d.Proxies, Interfaces: d.Interfaces, SourcePort: uint16(d.SourcePort), Announce: d.Announce}, nil
}

// ServerAddress completes a "host" or "host:port" of a server with the session's port.
func ServerAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), strconv.Itoa(protocol.SessionPort)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("server %.100q: %q is not a port; want 1 to 65535", s, port)
	}
	if host == "" || strings.ContainsAny(host, "/ \t@") {
		return "", fmt.Errorf("server %.100q: want an address such as 10.0.0.5, or a name, with or without a port", s)
	}
	return net.JoinHostPort(host, port), nil
}
