// Package config defines the file by which a person sets up a viewer, vitrine.toml.
//
// It owns the file's form: it reads it strictly, names the line of every mistake, and gives back values that are ready for
// use. It does no I/O and knows nothing of what it configures.
package config

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"vitrine/agent/protocol"
	"vitrine/content/calendar"
	"vitrine/discovery"
	"vitrine/platform/display"
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

	Location  string   `toml:"location"`
	Labels    []string `toml:"labels"`
	Timezone  string   `toml:"timezone"`
	Operating []string `toml:"operating_hours"`
	Discovery search   `toml:"discovery"`
	Session   line     `toml:"session"`
	Network   lan      `toml:"network"`

	USB usb `toml:"usb"`

	Content content `toml:"content"`
	Screen  screen  `toml:"screen"`
	Clock   clock   `toml:"clock"`
	Kiosk   kiosk   `toml:"kiosk"`
	Health  health  `toml:"health"`
	Display panel   `toml:"display"`
	Standby rest    `toml:"standby"`
	Power   machine `toml:"power"`
	Update  update  `toml:"update"`
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
	// Labels are words by which the viewer can be told from others.
	Labels []string
	// Zone is the time zone; nil means the machine's.
	Zone *time.Location
	// Operating are the hours outside of which the viewer is on standby, whatever its programme says; nil is always.
	Operating *calendar.Week
	// Discovery says how servers are looked for.
	Discovery Discovery
	// Session says how the session is kept.
	Session Session
	// Network says what the network asks of connections.
	Network Network
	// Sticks says whose settings are taken from USB sticks.
	Sticks Sticks
	// Content says how content is fetched and kept.
	Content Content
	// Screen says how the page is shown.
	Screen Screen
	// Clock says whom the viewer asks for the time.
	Clock Clock
	// Kiosk says which browser is kept on the screen.
	Kiosk Kiosk
	// Health says what is done about a screen that doesn't show the right thing.
	Health Health
	// Display says how the display is switched.
	Display display.Config
	// Standby says what a viewer does while it is on standby.
	Standby Standby
	// Reboot is when the machine is started anew every day; nil for never.
	Reboot *TimeOfDay
	// Update says which releases of itself the viewer takes.
	Update Update
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

// Parse reads a vitrine.toml, and then others: what a later one says comes before what the earlier ones do. A key that doesn't exist is an
// error, since a misspelt one would be silently without effect. Errors name the line, and never repeat a secret.
func Parse(data []byte, over ...[]byte) (Config, error) {
	var all file
	for _, data := range append([][]byte{data}, over...) {
		text, err := Text(data)
		if err != nil {
			return Config{}, err
		}
		var f file
		if err := decode(text, &f); err != nil {
			return Config{}, err
		}
		if _, err := f.check(); err != nil {
			return Config{}, located(text, err)
		}
		all.Network.link = all.Network.orElse(f.Network.link)
		if err := decode(text, &all); err != nil {
			return Config{}, err
		}
	}
	return all.check()
}

func decode(text []byte, into *file) error {
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(into); err != nil {
		return explain(text, err)
	}
	return nil
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
	if c.Labels, err = checkLabels(f.Labels); err != nil {
		return Config{}, err
	}
	if c.Zone, err = checkZone(f.Timezone); err != nil {
		return Config{}, err
	}
	if c.Operating, err = parseHours("operating_hours", f.Operating); err != nil {
		return Config{}, err
	}
	if c.Discovery, err = f.Discovery.check(); err != nil {
		return Config{}, err
	}
	if c.Session, err = f.Session.check(); err != nil {
		return Config{}, err
	}
	if c.Network, err = f.Network.check(); err != nil {
		return Config{}, err
	}
	if c.Sticks, err = f.USB.check(); err != nil {
		return Config{}, err
	}
	if c.Content, err = f.Content.check(); err != nil {
		return Config{}, err
	}
	if c.Screen, err = f.Screen.check(); err != nil {
		return Config{}, err
	}
	if c.Clock, err = f.Clock.check(); err != nil {
		return Config{}, err
	}
	if c.Kiosk, err = f.Kiosk.check(); err != nil {
		return Config{}, err
	}
	if c.Health, err = f.Health.check(); err != nil {
		return Config{}, err
	}
	if c.Display, err = f.Display.check(); err != nil {
		return Config{}, err
	}
	if c.Standby, err = f.Standby.check(); err != nil {
		return Config{}, err
	}
	if c.Reboot, err = f.Power.check(); err != nil {
		return Config{}, err
	}
	if c.Update, err = f.Update.check(); err != nil {
		return Config{}, err
	}
	c.Wake, err = f.Wake.check()
	return c, err
}

// maxLabels bounds the number of labels.
const maxLabels = 16

func checkLabels(labels []string) ([]string, error) {
	if len(labels) > maxLabels {
		return nil, fmt.Errorf("labels: %d are too many; want %d at most", len(labels), maxLabels)
	}
	for i, label := range labels {
		if err := protocol.CheckName(label); err != nil {
			return nil, fmt.Errorf("labels[%d]: %w", i, err)
		}
	}
	return labels, nil
}

func checkZone(name string) (*time.Location, error) {
	if name == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("timezone: there is no time zone %.60q; want a name such as \"Europe/Amsterdam\"", name)
	}
	return zone, nil
}

func (l line) check() (s Session, err error) {
	if s.KeepAlive, err = seconds("session.keepalive", l.KeepAlive, 5, 3600); err != nil {
		return Session{}, err
	}
	s.ReturnAfter, err = seconds("session.return_after", l.ReturnAfter, 1, 86400)
	return s, err
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
