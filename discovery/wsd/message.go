package wsd

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// The limits of one message, beside MaxSize. They hold for reading and for writing.
const (
	maxURI     = 2048 // bytes of one URI or name, as MAX_URI_SIZE of DPWS
	maxText    = 4096 // bytes of one element's text
	maxTypes   = 32
	maxScopes  = 64
	maxXAddrs  = 16
	maxMatches = 32
)

// A Message is one WS-Discovery message (sections 4 to 6). Which fields count depends on Action.
type Message struct {
	Version Version
	Action  Action
	// MessageID is unique to the message (WS-Addressing 1.0, section 3): "urn:uuid:" and a random UUID when we write. All
	// copies carry the same one.
	MessageID string
	// RelatesTo is, in ProbeMatches and ResolveMatches, the MessageID of the request (sections 5.3 and 6.3). A discovery
	// proxy's Hello has it too, to suppress multicasts (section 4.1).
	RelatesTo string
	// Sequence orders the messages of one target (section 7); nil if it is missing or makes no sense, as with some devices.
	Sequence *Sequence
	// Query is the body of a Probe (section 5.2).
	Query Query
	// Endpoints is the body of the others: one for Hello, Bye and Resolve, at most one for ResolveMatches, any number for
	// ProbeMatches, since a discovery proxy answers for others. Bye and Resolve are written with its EPR alone; what a
	// Bye of somebody else carries besides is read (section 4.2 allows it), and a Resolve has no more.
	Endpoints []Endpoint
}

// An Endpoint is what a target says of itself (sections 4.1, 5.3 and 6.3).
type Endpoint struct {
	// EPR is the address in the endpoint reference (section 2.1): a stable name, most often "urn:uuid:" and a UUID, and
	// rarely a place. Compare EPRs by CanonicalID.
	EPR string
	// Types are the roles that the target plays (section 4.1).
	Types []Name
	// Scopes are URIs that group targets (section 4.1). None means that one is implied (section 5.1).
	Scopes []string
	// XAddrs are transport addresses (section 4.1), mostly URLs, in the target's order of preference. Many devices leave
	// them out until they are asked by Resolve.
	XAddrs []string
	// MetadataVersion grows when any of the above changes (section 4.1); 0 is legal.
	MetadataVersion uint32
}

// A Query is what a Probe asks for (section 5.2). The zero Query matches every target.
type Query struct {
	// Types must all be among the target's (section 5.1).
	Types []Name
	// Scopes must all match one of the target's, by the rule MatchBy (section 5.1).
	Scopes  []string
	MatchBy Rule
}

// A Sequence is the AppSequence header (section 7, Application Sequencing): two messages of one target can be put in order
// if their InstanceID differs, or their SequenceID is the same. wsdd takes a new SequenceID for each message, so that its
// messages can't.
type Sequence struct {
	// InstanceID grows with each start that lost the state. Too large a number on the wire is read as the largest.
	InstanceID uint32
	// SequenceID is an URI, or empty for the one sequence that needs no name.
	SequenceID string
	// MessageNumber grows with each message, not with its copies.
	MessageNumber uint32
}

// check finds what must not be written, and what is refused when read.
func (m *Message) check() error {
	if !m.Version.valid() {
		return errors.New("unknown version")
	}
	if err := m.checkHeaders(); err != nil {
		return err
	}
	low, high := 1, 1
	switch m.Action {
	case Probe:
		low, high = 0, 0
	case ProbeMatches:
		low, high = 0, maxMatches
	case ResolveMatches:
		low = 0
	case Hello, Bye, Resolve:
	default:
		return errors.New("unknown action")
	}
	if n := len(m.Endpoints); n < low || n > high {
		return fmt.Errorf("%d endpoints in %s", n, m.Action)
	}
	for i := range m.Endpoints {
		if err := m.Endpoints[i].check(); err != nil {
			return err
		}
	}
	return m.Query.check()
}

// checkHeaders asks for a MessageID wherever a message is acted on by it: some devices leave it out of answers.
func (m *Message) checkHeaders() error {
	if m.MessageID != "" || !m.Action.answer() {
		if err := checkURI(m.MessageID); err != nil {
			return fmt.Errorf("MessageID: %w", err)
		}
	}
	if m.RelatesTo != "" || m.Action.answer() {
		if err := checkURI(m.RelatesTo); err != nil {
			return fmt.Errorf("RelatesTo: %w", err)
		}
	}
	if m.Sequence != nil && m.Sequence.SequenceID != "" {
		if err := checkURI(m.Sequence.SequenceID); err != nil {
			return fmt.Errorf("SequenceId: %w", err)
		}
	}
	return nil
}

func (e *Endpoint) check() error {
	if err := checkURI(e.EPR); err != nil {
		return fmt.Errorf("endpoint reference: %w", err)
	}
	if err := checkTypes(e.Types); err != nil {
		return err
	}
	if err := checkURIs("scopes", e.Scopes, maxScopes); err != nil {
		return err
	}
	return checkURIs("transport addresses", e.XAddrs, maxXAddrs)
}

func (q *Query) check() error {
	if err := checkTypes(q.Types); err != nil {
		return err
	}
	return checkURIs("scopes", q.Scopes, maxScopes)
}

func checkTypes(names []Name) error {
	if len(names) > maxTypes {
		return fmt.Errorf("%d types, more than %d", len(names), maxTypes)
	}
	size := 0
	for _, n := range names {
		if err := n.check(); err != nil {
			return err
		}
		size += len("t00: ") + len(n.Local)
	}
	if size > maxText {
		return fmt.Errorf("types of %d bytes, more than %d", size, maxText)
	}
	return nil
}

func checkURIs(what string, list []string, limit int) error {
	if len(list) > limit {
		return fmt.Errorf("%d %s, more than %d", len(list), what, limit)
	}
	size := 0
	for _, s := range list {
		if err := checkURI(s); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		size += len(s) + 1
	}
	if size > maxText {
		return fmt.Errorf("%s of %d bytes, more than %d", what, size, maxText)
	}
	return nil
}

// checkURI takes any text without spaces that can be shown on a screen or put into a log as it is: no control
// characters, no marks that turn the direction of writing. Whether it really is an URI matters only where it is used.
func checkURI(s string) error {
	if s == "" {
		return errors.New("missing")
	}
	if len(s) > maxURI {
		return fmt.Errorf("%d bytes, more than %d", len(s), maxURI)
	}
	for _, r := range s {
		if r == ' ' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return fmt.Errorf("%.100q has a character that is not allowed in an URI", s)
		}
	}
	return nil
}
