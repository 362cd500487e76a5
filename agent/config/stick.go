package config

import (
	"fmt"
	"slices"
	"strings"
)

// FileName is the file's name at the root of a USB stick, where FAT may write it in capitals.
const FileName = "vitrine.toml"

// onStick are the settings that a stick may bring, each with all in its table. What isn't here is the device's own: where its files are, what
// it starts, and whom it believes.
var onStick = []string{
	"name", "location", "labels", "token", "servers", "timezone", "operating_hours", "log", "screen",
	"discovery", "session", "network", "clock", "wake",
	"standby", "power.reboot", // which is only when, and not by what
	"content.quota", "content.reserve", "content.parallel", "content.rate", "content.windows", "content.peers", "content.peer_rate", "content.peer_port", "content.scrub_days",
}

// usb is the form of [usb].
type usb struct {
	Settings string `toml:"settings"`
}

// Sticks says whose settings a viewer that belongs to a site takes from USB sticks. One that belongs to none takes everybody's, unless it is to take
// nobody's.
type Sticks uint8

// Whose settings are taken.
const (
	// SignedSticks is those of the site alone.
	SignedSticks Sticks = iota
	// PowerUpSticks is everybody's for the first minutes after a power-up, too: whoever is there to pull the plug.
	PowerUpSticks
	// NoSticks is nobody's.
	NoSticks
)

func (u usb) check() (Sticks, error) {
	switch u.Settings {
	case "", "signed":
		return SignedSticks, nil
	case "power-up":
		return PowerUpSticks, nil
	case "never":
		return NoSticks, nil
	}
	return 0, fmt.Errorf("usb.settings: %.40q: want \"signed\", \"power-up\" or \"never\"", u.Settings)
}

// ParseStick reads the vitrine.toml of a USB stick: Parse, but what is only for the device's own file is refused. Names in network.ca_files are of
// files on the stick.
func ParseStick(data []byte) (Config, error) {
	c, err := Parse(data)
	if err != nil {
		return Config{}, err
	}
	text, err := Text(data)
	if err != nil {
		return Config{}, err
	}
	for _, s := range settings(text) {
		if !mayBeOnStick(s.name) {
			return Config{}, fmt.Errorf("%v: %s can't be set from a stick; it belongs into the viewer's own file", placeOf(text, s.offset), s.name)
		}
	}
	return c, nil
}

// mayBeOnStick takes a setting of the list, what is in it, and the table of one that is in a table.
func mayBeOnStick(name string) bool {
	return slices.ContainsFunc(onStick, func(allowed string) bool {
		return name == allowed || strings.HasPrefix(name, allowed+".") || strings.HasPrefix(allowed, name+".")
	})
}

// Names lists the settings that stand in a file that can be read, without their tables.
func Names(data []byte) []string {
	text, err := Text(data)
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range settings(text) {
		if !s.table && !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}
