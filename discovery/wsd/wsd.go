// Package wsd reads, writes and matches the messages of WS-Discovery, in both versions found on networks: OASIS Web
// Services Dynamic Discovery 1.1 (July 2009, below "1.1") and the draft of April 2005 (below "2005"). Section numbers are
// those of 1.1; the draft says the same under the same headings, unless noted.
//
// It owns what stands in a datagram and what it means: the SOAP envelope, its headers and bodies, and whether a target
// matches a Probe. It does no I/O, never asks for the time, and never decides whether a message deserves an answer.
//
// Writing is strict and plain, since widespread peers read it with text searches: prefixes soap, wsa and wsd, every
// namespace on the root, no attributes on the addressing headers, body elements in the order of the schema. Reading is
// liberal in form (any prefixes, either SOAP version, headers in any order, missing optional parts) and bounded in every
// dimension, since any host can send a datagram.
package wsd

import (
	"fmt"
	"slices"
	"strings"
)

// A Version is one of the two published forms of the protocol. They share their messages and their port, but no namespace
// (section 1.5): a peer of one never answers the other.
type Version uint8

const (
	// Version11 is OASIS WS-Discovery 1.1, namespace .../discovery/2009/01 (section 1.5).
	Version11 Version = 1 + iota
	// Version2005 is the draft of April 2005, namespace .../2005/04/discovery, which Windows, printers and ONVIF cameras
	// speak.
	Version2005
)

// Port is the UDP port of both versions (section 3.1.1).
const Port = 3702

// MaxSize is the largest datagram that is written or read, in bytes. SOAP-over-UDP leaves it at what UDP carries; this is
// twice what DPWS allows (MAX_UDP_ENVELOPE_SIZE 4096), so that sloppy devices pass.
const MaxSize = 8 << 10

// The two envelopes (section 3.1.1 recommends SOAP 1.2): that one is written, both are read.
const (
	soap12 = "http://www.w3.org/2003/05/soap-envelope"
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
)

// vocabulary is what differs between the versions (sections 1.5, 3.1 and 4 to 6).
type vocabulary struct {
	name       string
	discovery  string // namespace of bodies and AppSequence; also the stem of actions
	addressing string // namespace of WS-Addressing
	to         string // [destination] of Hello, Bye, Probe, Resolve
	anonymous  string // [destination] of ProbeMatches and ResolveMatches
	implied    string // scope of a target that lists none (section 5.1)
	prefixRule string // name of the rule that compares path segments
	copies     int    // how often a multicast message is sent in all
}

var vocabularies = [...]vocabulary{
	Version11: {
		name:       "1.1",
		discovery:  "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01",
		addressing: "http://www.w3.org/2005/08/addressing",
		to:         "urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01",
		anonymous:  "http://www.w3.org/2005/08/addressing/anonymous",
		implied:    "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/DefaultScope",
		prefixRule: "rfc3986",
		copies:     3,
	},
	Version2005: {
		name:       "2005/04",
		discovery:  "http://schemas.xmlsoap.org/ws/2005/04/discovery",
		addressing: "http://schemas.xmlsoap.org/ws/2004/08/addressing",
		to:         "urn:schemas-xmlsoap-org:ws:2005:04:discovery",
		anonymous:  "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous",
		implied:    "http://schemas.xmlsoap.org/ws/2005/04/discovery/adhoc",
		prefixRule: "rfc2396",
		copies:     4,
	},
}

// valid tells whether v is one of the two versions.
func (v Version) valid() bool { return v == Version11 || v == Version2005 }

// String is "1.1" or "2005/04", the standard's name for the version and the date in the draft's namespace (section 1.5).
func (v Version) String() string {
	if !v.valid() {
		return fmt.Sprintf("version %d", uint8(v))
	}
	return vocabularies[v].name
}

// MarshalText is String, for JSON.
func (v Version) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// MulticastCopies is how often a multicast message leaves in all: MULTICAST_UDP_REPEAT (appendix A of SOAP-over-UDP) counts
// the repeats in 1.1 (2, so 3 copies) and the copies in its draft of 2004 (4).
func (v Version) MulticastCopies() int { return vocabularies[v].copies }

// UnicastCopies is the same for a unicast message: 2 in both (UNICAST_UDP_REPEAT, appendix A of SOAP-over-UDP).
func (v Version) UnicastCopies() int { return 2 }

// An Action is the kind of a message (sections 4 to 6).
type Action uint8

// The six messages.
const (
	// Hello says that a target joined the network or changed (section 4.1).
	Hello Action = 1 + iota
	// Bye says that a target leaves (section 4.2).
	Bye
	// Probe asks for targets by types and scopes (section 5.2).
	Probe
	// ProbeMatches answers a Probe (section 5.3).
	ProbeMatches
	// Resolve asks for the transport addresses of one endpoint (section 6.2).
	Resolve
	// ResolveMatches answers a Resolve (section 6.3).
	ResolveMatches
)

var actions = [...]string{
	Hello:          "Hello",
	Bye:            "Bye",
	Probe:          "Probe",
	ProbeMatches:   "ProbeMatches",
	Resolve:        "Resolve",
	ResolveMatches: "ResolveMatches",
}

// String is the name of the body element (sections 4 to 6).
func (a Action) String() string {
	if a == 0 || int(a) >= len(actions) {
		return fmt.Sprintf("action %d", uint8(a))
	}
	return actions[a]
}

// answer tells whether a is the answer to a request, and so relates to one and is sent to the anonymous address.
func (a Action) answer() bool { return a == ProbeMatches || a == ResolveMatches }

// nameOnly tells whether a is written with nothing of its endpoint but the EPR: enough for a Resolve by section 6.2, and for
// a Bye by section 4.2.
func (a Action) nameOnly() bool { return a == Bye || a == Resolve }

// findAction takes the text of an Action header apart: the version's namespace, a slash and the message's name.
func findAction(text string) (Version, Action, bool) {
	for v := Version11; v <= Version2005; v++ {
		rest, ok1 := strings.CutPrefix(text, vocabularies[v].discovery)
		name, ok2 := strings.CutPrefix(rest, "/")
		if a := slices.Index(actions[:], name); ok1 && ok2 && a >= int(Hello) {
			return v, Action(a), true
		}
	}
	return 0, 0, false
}

// action is the text of the Action header.
func (v *vocabulary) action(a Action) string { return v.discovery + "/" + a.String() }
