package wsd

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Parse reads one datagram with a message of sections 4 to 6. Whatever it returns is within the limits of this package and
// safe to print, and reading costs no datagram more than one allocation and 32 bytes of memory for each byte of MaxSize. An
// error says why the datagram is not a message to act on; nothing should ever be sent in return.
//
// It refuses what could make a receiver act for somebody else: a Probe or Resolve that is not addressed to the well-known
// name of the version, or that asks for its answer anywhere but at its source (sections 5.2 and 6.2), and any header that
// must be understood and isn't (SOAP 1.2, section 5.2.3). It is patient with the rest: a missing To or AppSequence, or a
// type whose prefix was never declared, which is left out of an answer but makes a Probe unanswerable.
func Parse(data []byte) (*Message, error) {
	root, err := parseTree(data)
	if err != nil {
		return nil, fmt.Errorf("not a SOAP message: %w", err)
	}
	m, err := parseEnvelope(root)
	if err != nil {
		return nil, fmt.Errorf("not a WS-Discovery message: %w", err)
	}
	return m, nil
}

func parseEnvelope(root *node) (*Message, error) {
	soap := root.name.Space
	if root.name.Local != "Envelope" || (soap != soap12 && soap != soap11) {
		return nil, errors.New("root is not a SOAP envelope")
	}
	header, err := root.child(soap, "Header")
	if err != nil {
		return nil, err
	}
	body, err := root.child(soap, "Body")
	if err != nil {
		return nil, err
	}
	if header == nil || body == nil || len(body.children) != 1 {
		return nil, errors.New("no header, or not one element in the body")
	}
	p := messageParser{Message: &Message{}}
	if err := p.readHeader(header, soap); err != nil {
		return nil, err
	}
	if err := p.readBody(body.children[0]); err != nil {
		return nil, err
	}
	return p.Message, p.check()
}

// A messageParser fills a Message from the nodes of an envelope.
type messageParser struct {
	*Message
	words *vocabulary
}

// readHeader finds the version by the Action, which exists once and in the addressing namespace that goes with it.
func (p *messageParser) readHeader(header *node, soap string) error {
	for v := Version11; v <= Version2005; v++ {
		action, err := header.child(vocabularies[v].addressing, "Action")
		if err != nil {
			return err
		}
		if action == nil {
			continue
		}
		version, kind, ok := findAction(trim(action.text))
		if !ok || version != v || p.words != nil {
			return fmt.Errorf("action %.100q", trim(action.text))
		}
		p.Version, p.Action, p.words = version, kind, &vocabularies[version]
	}
	if p.words == nil {
		return errors.New("no action")
	}
	if err := p.mustUnderstand(header, soap); err != nil {
		return err
	}
	if err := p.readAddressing(header); err != nil {
		return err
	}
	return p.readSequence(header)
}

func (p *messageParser) mustUnderstand(header *node, soap string) error {
	for _, h := range header.children {
		known := h.name.Space == p.words.addressing || h.name.Space == p.words.discovery && h.name.Local == "AppSequence"
		if must := h.attr(soap, "mustUnderstand"); !known && (must == "1" || must == "true") {
			return fmt.Errorf("header %.100q must be understood", h.name.Local)
		}
	}
	return nil
}

func (p *messageParser) readAddressing(header *node) error {
	var to string
	for _, field := range []struct {
		name  string
		value *string
	}{{"MessageID", &p.MessageID}, {"RelatesTo", &p.RelatesTo}, {"To", &to}} {
		h, err := header.child(p.words.addressing, field.name)
		if err != nil {
			return err
		}
		if h != nil {
			*field.value = trim(h.text)
		}
	}
	if p.Action != Probe && p.Action != Resolve {
		return nil
	}
	if to != "" && to != p.words.to {
		return fmt.Errorf("addressed to %.100q", to)
	}
	reply, err := header.child(p.words.addressing, "ReplyTo")
	if err != nil || reply == nil {
		return err
	}
	address, err := reply.child(p.words.addressing, "Address")
	if err != nil {
		return err
	}
	if address == nil || trim(address.text) != p.words.anonymous {
		return errors.New("answer wanted at another address")
	}
	return nil
}

// readSequence ignores a header whose numbers make no sense: it only orders messages, and devices get it wrong.
func (p *messageParser) readSequence(header *node) error {
	h, err := header.child(p.words.discovery, "AppSequence")
	if err != nil || h == nil {
		return err
	}
	instance, ok1 := clamped(h.attr("", "InstanceId"))
	number, ok2 := clamped(h.attr("", "MessageNumber"))
	if ok1 && ok2 {
		p.Sequence = &Sequence{InstanceID: instance, SequenceID: h.attr("", "SequenceId"), MessageNumber: number}
	}
	return nil
}

// clamped reads a number that should have 32 bits; some devices put milliseconds into it.
func clamped(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return uint32(min(n, math.MaxUint32)), true
}

func (p *messageParser) readBody(body *node) error {
	if body.name.Space != p.words.discovery || body.name.Local != p.Action.String() {
		return fmt.Errorf("body %.100q does not go with its action", body.name.Local)
	}
	switch p.Action {
	case Probe:
		return p.readQuery(body)
	case Hello, Bye:
		return p.readEndpoint(body)
	case Resolve:
		return p.readReference(body)
	case ProbeMatches:
		return p.readMatches(body, "ProbeMatch")
	default:
		return p.readMatches(body, "ResolveMatch")
	}
}

func (p *messageParser) readMatches(body *node, name string) error {
	for _, c := range body.children {
		if c.name.Space != p.words.discovery || c.name.Local != name {
			continue
		}
		if err := p.readEndpoint(c); err != nil {
			return err
		}
	}
	return nil
}

func (p *messageParser) readReference(n *node) error {
	epr, err := p.reference(n)
	p.Endpoints = append(p.Endpoints, Endpoint{EPR: epr})
	return err
}

// reference reads the address alone (section 2.1). In 1.1 it is the endpoint's whole identity. In 2005 its reference
// properties count as well, and two endpoints of one address that differ in them are taken for one here: that is safe, as
// WS-Discovery asks for an address that is stable and unique by itself, no device on record tells its endpoints apart by
// properties, and whatever is merged by mistake is a hint that must prove itself anyway.
func (p *messageParser) reference(n *node) (string, error) {
	ref, err := n.child(p.words.addressing, "EndpointReference")
	if err != nil || ref == nil {
		return "", err
	}
	address, err := ref.child(p.words.addressing, "Address")
	if err != nil || address == nil {
		return "", err
	}
	return trim(address.text), nil
}

func (p *messageParser) readEndpoint(n *node) (err error) {
	var e Endpoint
	if e.EPR, err = p.reference(n); err != nil {
		return err
	}
	if e.Types, _, err = p.types(n); err != nil {
		return err
	}
	if e.Scopes, _, err = p.list(n, "Scopes"); err != nil {
		return err
	}
	if e.XAddrs, _, err = p.list(n, "XAddrs"); err != nil {
		return err
	}
	version, err := n.child(p.words.discovery, "MetadataVersion")
	if err != nil {
		return err
	}
	if version != nil {
		number, err := strconv.ParseUint(trim(version.text), 10, 32)
		if err != nil {
			return fmt.Errorf("MetadataVersion %.100q", trim(version.text))
		}
		e.MetadataVersion = uint32(number)
	}
	p.Endpoints = append(p.Endpoints, e)
	return nil
}

func (p *messageParser) readQuery(body *node) error {
	types, unknown, err := p.types(body)
	if err != nil {
		return err
	}
	if unknown {
		return errors.New("a type's prefix is not declared")
	}
	scopes, element, err := p.list(body, "Scopes")
	if err != nil {
		return err
	}
	p.Query = Query{Types: types, Scopes: scopes}
	if element != nil {
		p.Query.MatchBy = findRule(element.attr("", "MatchBy"))
	}
	return nil
}

// types gives the names that can be resolved, and whether there were others.
func (p *messageParser) types(n *node) (names []Name, unknown bool, err error) {
	words, element, err := p.list(n, "Types")
	for _, word := range words {
		if name, ok := element.qname(word); ok {
			names = append(names, name)
		} else {
			unknown = true
		}
	}
	return names, unknown, err
}

// list gives the words in the child of that name, and the child.
func (p *messageParser) list(n *node, name string) ([]string, *node, error) {
	c, err := n.child(p.words.discovery, name)
	if err != nil || c == nil {
		return nil, nil, err
	}
	words := fields(c.text)
	if len(words) == 0 {
		words = nil
	}
	return words, c, nil
}
