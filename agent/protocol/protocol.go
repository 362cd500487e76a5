// Package protocol defines what a viewer and a server say to each other: topics, documents, enrolment and join tokens.
// README.md beside this file is the protocol itself.
//
// It owns the form of messages and their checks, and never sends, stores or acts on one.
package protocol

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Ports of the protocol.
const (
	// SessionPort carries session (MQTT 5) and content (HTTPS) over TLS 1.3.
	SessionPort = 7237
	// PagePort is the viewer's local player page, on loopback only.
	PagePort = 7238
	// NTPPort is where a server answers SNTP, unless its Server entry says otherwise.
	NTPPort = 123
)

// ALPNMQTT is the TLS application protocol of the session (RFC 7301); HTTP uses "h2" and "http/1.1".
const ALPNMQTT = "mqtt"

// DiscoveryNamespace is the XML namespace of the WS-Discovery types ServerType and ViewerType.
const (
	DiscoveryNamespace = "urn:vitrine:discovery:1"
	ServerType         = "Server"
	ViewerType         = "Viewer"
)

// Schemes of a server's WS-Discovery XAddrs.
const (
	SchemeSession = "mqtts"
	SchemeContent = "https"
)

// Roles of a server.
const (
	RoleMain   = "main"
	RoleBackup = "backup"
)

// CheckSite says whether name can be a site's name: 1 to 63 lower-case letters, digits and inner hyphens, as in a DNS
// label, since it stands in scopes and certificates.
func CheckSite(name string) error {
	ok := len(name) >= 1 && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-'
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("site name %.80q: use 1 to 63 lower-case letters, digits and inner hyphens", name)
	}
	return nil
}

// CheckName says whether name can be a viewer's or location's name: 1 to 64 characters that can be seen.
func CheckName(name string) error {
	if name == "" || len([]rune(name)) > 64 || strings.TrimSpace(name) != name {
		return fmt.Errorf("name %.80q: use 1 to 64 characters, without space around them", name)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return fmt.Errorf("name %.80q: control characters can't be part of a name", name)
		}
	}
	return nil
}

// Topics of one viewer.
const topicPrefix = "vitrine/1/v/"

// The kinds of topic below a viewer's prefix.
const (
	KindDesired  = "desired"
	KindReported = "reported"
	KindPresence = "presence"
	KindCommand  = "command"
	KindResult   = "result"
	KindEvent    = "event"
	KindPlays    = "plays"
)

// Topic is the topic of one kind of message of one viewer.
func Topic(viewer, kind string) string { return topicPrefix + viewer + "/" + kind }

// ParseTopic is the reverse of Topic. It accepts any viewer and kind that hold no slash or wildcard.
func ParseTopic(topic string) (viewer, kind string, ok bool) {
	rest, ok := strings.CutPrefix(topic, topicPrefix)
	if !ok {
		return "", "", false
	}
	viewer, kind, ok = strings.Cut(rest, "/")
	if !ok || viewer == "" || kind == "" || strings.ContainsAny(rest[len(viewer)+1:], "/+#") || strings.ContainsAny(viewer, "+#") {
		return "", "", false
	}
	return viewer, kind, true
}

// ViewerPublishes tells whether a viewer may publish messages of this kind below its own prefix.
func ViewerPublishes(kind string) bool {
	switch kind {
	case KindReported, KindPresence, KindResult, KindEvent, KindPlays:
		return true
	}
	return false
}

// User properties of MQTT packets (MQTT 5, section 3.1.2.11.8).
const (
	// PropertyFingerprint and PropertyBoot in CONNECT say on which machine, and in which run of the agent, a viewer's identity is used.
	PropertyFingerprint = "fingerprint"
	PropertyBoot        = "boot"
	// PropertyRetryAfter in CONNACK and DISCONNECT is for how many seconds a viewer is to leave a busy server alone.
	PropertyRetryAfter = "retry-after"
)

// MaxMessage is the largest session message, in bytes; content never travels in the session.
const MaxMessage = 256 << 10

// decode reads one JSON document into v. Fields that this version doesn't know are ignored; one of a wrong type is an error
// that names it.
func decode(what string, data []byte, v any) error {
	if len(data) > MaxMessage {
		return fmt.Errorf("%s: %d bytes are more than the limit of %d", what, len(data), MaxMessage)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
