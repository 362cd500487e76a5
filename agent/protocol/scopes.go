package protocol

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// scopeScheme is that of the WS-Discovery scopes of a site: vitrine://SITE and below it role, name, location and priority.
const scopeScheme = "vitrine://"

// SiteScope is the WS-Discovery scope of everything in a site; the scopes below it start with it.
func SiteScope(site string) string { return scopeScheme + site }

// LocationScope is the scope of everything at a location of a site or below it.
func LocationScope(site string, at Location) string {
	scope := SiteScope(site) + "/location"
	for _, part := range at {
		scope += "/" + url.PathEscape(part)
	}
	return scope
}

// A Location is a place in a site, from the whole to the part, such as building, floor and room. None is the whole site.
type Location []string

// maxLocation is how many parts a location may have.
const maxLocation = 8

// ParseLocation reads "building/floor/room". Empty is no location.
func ParseLocation(s string) (Location, error) {
	if s == "" {
		return nil, nil
	}
	parts := strings.Split(s, "/")
	if len(parts) > maxLocation {
		return nil, fmt.Errorf("location %.80q: use at most %d parts", s, maxLocation)
	}
	for _, part := range parts {
		if err := CheckName(part); err != nil || part == "." || part == ".." {
			return nil, fmt.Errorf("location %.80q: want a place in its parts, such as building-a/floor-2, without empty ones", s)
		}
	}
	return parts, nil
}

// String is the form that ParseLocation reads.
func (l Location) String() string { return strings.Join(l, "/") }

// MarshalText is String, for JSON.
func (l Location) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLocation.
func (l *Location) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLocation(string(text))
	return err
}

// Shared is how many parts, from the whole on, two locations have in common.
func (l Location) Shared(other Location) int {
	n := 0
	for n < min(len(l), len(other)) && l[n] == other[n] {
		n++
	}
	return n
}

// An Announced is what a server or viewer says of itself by its WS-Discovery scopes.
type Announced struct {
	Site string `json:"site,omitempty"`
	// Role is RoleMain or RoleBackup; empty for a viewer.
	Role string `json:"role,omitempty"`
	// Name is for people; it may be empty.
	Name string `json:"name,omitempty"`
	// Location is where it is, and in the case of a server whom it is for.
	Location Location `json:"location,omitempty"`
	// Priority ranks servers of one role; the lowest is tried first.
	Priority int `json:"priority,omitempty"`
	// MACs are hardware addresses of a viewer, by which it can be woken later.
	MACs []string `json:"macs,omitempty"`
}

// MaxPriority is the highest priority, and the last to be tried. The lowest is 0.
const MaxPriority = 65535

// maxMACs is how many hardware addresses are announced.
const maxMACs = 2

// Scopes is what to announce.
func (a Announced) Scopes() []string {
	site := SiteScope(a.Site)
	var list []string
	if a.Role != "" {
		list = append(list, site+"/role/"+a.Role)
	}
	// The usual priority goes without saying: an answer to a probe has few bytes to spare.
	if a.Priority != 0 {
		list = append(list, site+"/priority/"+strconv.Itoa(a.Priority))
	}
	if a.Name != "" {
		list = append(list, site+"/name/"+url.PathEscape(a.Name))
	}
	if len(a.Location) > 0 {
		list = append(list, LocationScope(a.Site, a.Location))
	}
	for _, mac := range a.MACs[:min(len(a.MACs), maxMACs)] {
		list = append(list, site+"/mac/"+mac)
	}
	return list
}

// ParseScopes is the reverse of Scopes. Others are left out, as is what makes no sense; ok is false if there is no site.
func ParseScopes(scopes []string) (a Announced, ok bool) {
	for _, scope := range scopes {
		rest, found := strings.CutPrefix(scope, scopeScheme)
		site, path, _ := strings.Cut(rest, "/")
		if !found || CheckSite(site) != nil || a.Site != "" && a.Site != site {
			continue
		}
		a.Site = site
		kind, value, _ := strings.Cut(path, "/")
		a.take(kind, value)
	}
	return a, a.Site != ""
}

func (a *Announced) take(kind, value string) {
	switch kind {
	case "role":
		if value == RoleMain || value == RoleBackup {
			a.Role = value
		}
	case "priority":
		if n, err := strconv.ParseUint(value, 10, 16); err == nil {
			a.Priority = int(n)
		}
	case "name":
		if name, err := url.PathUnescape(value); err == nil && CheckName(name) == nil {
			a.Name = name
		}
	case "mac":
		if mac, err := net.ParseMAC(value); err == nil && len(mac) == 6 && len(a.MACs) < maxMACs {
			a.MACs = append(a.MACs, mac.String())
		}
	case "location":
		parts := strings.Split(value, "/")
		for i, part := range parts {
			text, err := url.PathUnescape(part)
			if err != nil || strings.Contains(text, "/") {
				return
			}
			parts[i] = text
		}
		if location, err := ParseLocation(strings.Join(parts, "/")); err == nil {
			a.Location = slices.Clip(location)
		}
	}
}
