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

	"github.com/pelletier/go-toml/v2"

	"vitrine/agent/protocol"
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
	Wake    wake     `toml:"wake"`
}

type wake struct {
	Ports []int `toml:"ports"`
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
	// WakePorts are the UDP ports on which magic packets are awaited.
	WakePorts []uint16
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
	for _, p := range f.Wake.Ports {
		if p < 1 || p > 65535 {
			return Config{}, fmt.Errorf("wake.ports: %d is not a port; want 1 to 65535", p)
		}
		c.WakePorts = append(c.WakePorts, uint16(p))
	}
	return c, nil
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
