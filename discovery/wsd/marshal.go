package wsd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// devprof is written with the prefix that its specification uses, since wsdd, the responder of Linux file servers, compares
// the text "wsdp:Device" and not the name.
const devprof = "http://schemas.xmlsoap.org/ws/2006/02/devprof"

// Marshal writes the message as a SOAP 1.2 envelope (section 3.1.1 recommends it), body elements in the order of the
// sections 4 to 6. The result is what Parse reads, but of the Endpoint in a Bye only the EPR is left. A message over a limit
// of this package, a Query with an unknown rule, and names without a namespace are errors: WCF and others read the latter
// differently.
func (m *Message) Marshal() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("%s message: %w", m.Action, err)
	}
	w := writer{words: &vocabularies[m.Version], prefixes: map[string]string{}}
	if err := w.declare(m.Query.Types); err != nil {
		return nil, err
	}
	if !m.Action.nameOnly() {
		for _, e := range m.Endpoints {
			if err := w.declare(e.Types); err != nil {
				return nil, err
			}
		}
	}
	w.envelope(m)
	if w.err != nil {
		return nil, fmt.Errorf("%s message: %w", m.Action, w.err)
	}
	if w.out.Len() > MaxSize {
		return nil, fmt.Errorf("%s message: %d bytes, more than %d", m.Action, w.out.Len(), MaxSize)
	}
	return w.out.Bytes(), nil
}

// A writer builds one envelope.
type writer struct {
	out      bytes.Buffer
	words    *vocabulary
	spaces   []string          // namespaces of types, in the order met
	prefixes map[string]string // their prefixes
	err      error
}

func (w *writer) declare(names []Name) error {
	for _, n := range names {
		if n.Space == "" {
			return fmt.Errorf("type %.100q has no namespace", n.Local)
		}
		if w.prefixes[n.Space] != "" {
			continue
		}
		w.prefixes[n.Space] = "t" + strconv.Itoa(len(w.spaces))
		if n.Space == devprof {
			w.prefixes[n.Space] = "wsdp"
		}
		w.spaces = append(w.spaces, n.Space)
	}
	return nil
}

func (w *writer) envelope(m *Message) {
	w.out.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<soap:Envelope")
	w.attr("xmlns:soap", soap12)
	w.attr("xmlns:wsa", w.words.addressing)
	w.attr("xmlns:wsd", w.words.discovery)
	for _, space := range w.spaces {
		w.attr("xmlns:"+w.prefixes[space], space)
	}
	w.out.WriteString("><soap:Header>")
	w.header(m)
	w.out.WriteString("</soap:Header><soap:Body>")
	w.body(m)
	w.out.WriteString("</soap:Body></soap:Envelope>")
}

func (w *writer) header(m *Message) {
	w.element("wsa:Action", w.words.action(m.Action))
	if m.MessageID != "" {
		w.element("wsa:MessageID", m.MessageID)
	}
	if m.RelatesTo != "" {
		w.element("wsa:RelatesTo", m.RelatesTo)
	}
	if m.Action.answer() {
		w.element("wsa:To", w.words.anonymous)
	} else {
		w.element("wsa:To", w.words.to)
	}
	if m.Sequence == nil {
		return
	}
	w.out.WriteString("<wsd:AppSequence")
	w.attr("InstanceId", strconv.FormatUint(uint64(m.Sequence.InstanceID), 10))
	if m.Sequence.SequenceID != "" {
		w.attr("SequenceId", m.Sequence.SequenceID)
	}
	w.attr("MessageNumber", strconv.FormatUint(uint64(m.Sequence.MessageNumber), 10))
	w.out.WriteString("/>")
}

func (w *writer) body(m *Message) {
	w.out.WriteString("<wsd:" + m.Action.String() + ">")
	switch m.Action {
	case Probe:
		w.query(&m.Query)
	case Hello:
		w.endpoint(&m.Endpoints[0])
	case Bye, Resolve:
		w.reference(m.Endpoints[0].EPR)
	case ProbeMatches, ResolveMatches:
		item := strings.TrimSuffix(m.Action.String(), "es")
		for i := range m.Endpoints {
			w.out.WriteString("<wsd:" + item + ">")
			w.endpoint(&m.Endpoints[i])
			w.out.WriteString("</wsd:" + item + ">")
		}
	}
	w.out.WriteString("</wsd:" + m.Action.String() + ">")
}

func (w *writer) query(q *Query) {
	w.types(q.Types)
	if len(q.Scopes) == 0 && q.MatchBy == RuleDefault {
		return
	}
	w.out.WriteString("<wsd:Scopes")
	if q.MatchBy != RuleDefault {
		w.attr("MatchBy", w.rule(q.MatchBy))
	}
	w.out.WriteString(">")
	w.text(strings.Join(q.Scopes, " "))
	w.out.WriteString("</wsd:Scopes>")
}

func (w *writer) rule(r Rule) string {
	switch {
	case r == RulePrefix:
		return w.words.discovery + "/" + w.words.prefixRule
	case r == RuleNone:
		// The draft of 2005 doesn't have this rule; WCF asks with the name of 1.1 there too.
		return vocabularies[Version11].discovery + "/none"
	case r < RuleUnknown:
		return w.words.discovery + "/" + rules[r]
	}
	w.err = errors.New("unknown matching rule")
	return ""
}

// endpoint writes the parts in the order of the schema, which WCF's reader depends on.
func (w *writer) endpoint(e *Endpoint) {
	w.reference(e.EPR)
	w.types(e.Types)
	if len(e.Scopes) > 0 {
		w.element("wsd:Scopes", strings.Join(e.Scopes, " "))
	}
	if len(e.XAddrs) > 0 {
		w.element("wsd:XAddrs", strings.Join(e.XAddrs, " "))
	}
	w.element("wsd:MetadataVersion", strconv.FormatUint(uint64(e.MetadataVersion), 10))
}

func (w *writer) reference(epr string) {
	w.out.WriteString("<wsa:EndpointReference>")
	w.element("wsa:Address", epr)
	w.out.WriteString("</wsa:EndpointReference>")
}

func (w *writer) types(names []Name) {
	if len(names) == 0 {
		return
	}
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = w.prefixes[n.Space] + ":" + n.Local
	}
	w.element("wsd:Types", strings.Join(words, " "))
}

func (w *writer) element(name, text string) {
	w.out.WriteString("<" + name + ">")
	w.text(text)
	w.out.WriteString("</" + name + ">")
}

func (w *writer) attr(name, value string) {
	w.out.WriteString(" " + name + `="`)
	w.text(value)
	w.out.WriteString(`"`)
}

// text can't fail: a bytes.Buffer takes everything.
func (w *writer) text(s string) { _ = xml.EscapeText(&w.out, []byte(s)) }
