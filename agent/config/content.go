package config

import (
	"fmt"
	"time"

	"vitrine/content/calendar"
)

// content is the form of [content].
type content struct {
	Quota    string   `toml:"quota"`
	Reserve  string   `toml:"reserve"`
	Parallel *int     `toml:"parallel"`
	Rate     string   `toml:"rate"`
	Windows  []string `toml:"windows"`
	Peers    *bool    `toml:"peers"`
	PeerRate string   `toml:"peer_rate"`
	PeerPort int      `toml:"peer_port"`
	Scrub    *int     `toml:"scrub_days"`
	Sticks   *bool    `toml:"usb"`
}

// Content says how content is fetched and kept. What is zero is left to the agent.
type Content struct {
	// Quota is how much of the disk content may take, and Reserve how much of it stays free.
	Quota, Reserve Amount
	// Parallel is how many files are fetched side by side.
	Parallel int
	// Rate is the most that is fetched from servers, in bytes per second.
	Rate int64
	// Windows are the hours in which programmes are fetched from servers; nil is always.
	Windows *calendar.Week
	// NoPeers keeps the viewer from giving content to others of its site on this network, and taking it from them.
	NoPeers bool
	// PeerRate is the most that is given to others, in bytes per second, and PeerPort the TCP port where they ask.
	PeerRate int64
	PeerPort uint16
	// Scrub is the time in which everything on disk is read again.
	Scrub time.Duration
	// NoSticks keeps the viewer from taking programmes from USB sticks.
	NoSticks bool
}

func (c content) check() (checked Content, err error) {
	for _, a := range []struct {
		name string
		text string
		into *Amount
	}{{"quota", c.Quota, &checked.Quota}, {"reserve", c.Reserve, &checked.Reserve}} {
		if a.text == "" {
			continue
		}
		if *a.into, err = parseAmount(a.text); err != nil {
			return Content{}, fmt.Errorf("content.%s: %w", a.name, err)
		}
	}
	for _, r := range []struct {
		name string
		text string
		into *int64
	}{{"rate", c.Rate, &checked.Rate}, {"peer_rate", c.PeerRate, &checked.PeerRate}} {
		if r.text == "" {
			continue
		}
		if *r.into, err = parseRate(r.text); err != nil {
			return Content{}, fmt.Errorf("content.%s: %w", r.name, err)
		}
	}
	if checked.Windows, err = parseHours("content.windows", c.Windows); err != nil {
		return Content{}, err
	}
	if c.Parallel != nil {
		if checked.Parallel = *c.Parallel; checked.Parallel < 1 || checked.Parallel > 32 {
			return Content{}, fmt.Errorf("content.parallel: %d is out of range; want 1 to 32", checked.Parallel)
		}
	}
	if c.Scrub != nil {
		if *c.Scrub < 1 || *c.Scrub > 365 {
			return Content{}, fmt.Errorf("content.scrub_days: %d is out of range; want 1 to 365", *c.Scrub)
		}
		checked.Scrub = time.Duration(*c.Scrub) * 24 * time.Hour
	}
	if c.PeerPort < 0 || c.PeerPort > 65535 {
		return Content{}, fmt.Errorf("content.peer_port: %d is not a port; want 1 to 65535", c.PeerPort)
	}
	checked.PeerPort = uint16(c.PeerPort)
	checked.NoPeers = c.Peers != nil && !*c.Peers
	checked.NoSticks = c.Sticks != nil && !*c.Sticks
	return checked, nil
}
