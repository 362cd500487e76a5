package discovery

import (
	"net/netip"
	"slices"
	"time"

	"vitrine/discovery/wsd"
)

// A Device is a target that was found, by a ProbeMatch (section 5.3), a ResolveMatch (6.3) or a Hello (4.1).
type Device struct {
	// Endpoint is what the target says of itself. XAddrs are in the order to try them in, and not only as the target gave
	// them: see Addrs.
	wsd.Endpoint
	// Version is the one that the first answer came in.
	Version wsd.Version
	// From is the source of the first answer.
	From netip.AddrPort
	// Interface is where it came in; empty for the answer to a directed Probe.
	Interface string
	// RTT is the time from the first copy of the Probe to the first answer, which includes the target's own random wait.
	// It is 0 for an announcement.
	RTT time.Duration
}

// The limits of what one round of probing keeps, so that a flood of forged answers neither fills the memory nor, coming
// from one host, hides the others.
const (
	maxDevices          = 4096
	maxDevicesPerSource = 1024
	maxAddresses        = 32
)

// An answer is one match as it came in.
type answer struct {
	device Device
	xaddrs []xaddr
}

// A catalogue merges answers by endpoint reference: a target answers once per interface, family and version.
type catalogue struct {
	entries   map[string]*answer
	perSource map[netip.Addr]int
}

func newCatalogue() *catalogue {
	return &catalogue{entries: map[string]*answer{}, perSource: map[netip.Addr]int{}}
}

// add gives the device as it is known now, and whether that is news. The first answer's path is kept; addresses from
// other paths are added; types and scopes change only with a greater MetadataVersion.
func (c *catalogue) add(a answer) (Device, bool) {
	key := wsd.CanonicalID(a.device.EPR)
	known := c.entries[key]
	if known == nil {
		source := a.device.From.Addr()
		if len(c.entries) >= maxDevices || c.perSource[source] >= maxDevicesPerSource {
			return Device{}, false
		}
		c.perSource[source]++
		known = &a
		c.entries[key] = known
		known.device.XAddrs = texts(known.xaddrs)
		return known.device, true
	}
	changed := false
	if a.device.MetadataVersion > known.device.MetadataVersion {
		known.device.MetadataVersion = a.device.MetadataVersion
		known.device.Types, known.device.Scopes = a.device.Types, a.device.Scopes
		changed = true
	}
	known.xaddrs = mergeXAddrs(known.xaddrs, a.xaddrs)
	if list := texts(known.xaddrs); !slices.Equal(list, known.device.XAddrs) {
		known.device.XAddrs = list
		changed = true
	}
	return known.device, changed
}

func texts(list []xaddr) []string {
	var out []string
	for _, x := range list {
		out = append(out, x.text)
	}
	return out
}
