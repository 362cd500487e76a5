package wsd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The limits of the XML itself. A real message has a depth of 6 and about 20 elements. A camera declares each namespace that
// it knows on the root, which are 45 at some makers.
const (
	maxDepth        = 32
	maxElements     = 512
	maxAttributes   = 32  // of one element, without namespace declarations
	maxDeclarations = 128 // of namespaces, in all
)

// A node is one element. encoding/xml resolves the prefixes of element and attribute names but keeps them to itself, and
// types need them in text, so each node keeps the prefixes in scope.
type node struct {
	name     xml.Name
	attrs    []xml.Attr // without namespace declarations
	prefixes *binding
	text     string // the element's own text, without that of its children
	children []*node
}

// A binding is one namespace declaration and those further out.
type binding struct {
	prefix, space string
	outer         *binding
}

// expand resolves the prefix of a name in text; an unprefixed name is in the default namespace, if any.
func (b *binding) expand(prefix string) (space string, ok bool) {
	for ; b != nil; b = b.outer {
		if b.prefix == prefix {
			return b.space, b.space != "" || prefix == ""
		}
	}
	return "", prefix == ""
}

// A treeReader builds the tree of one document and counts what it costs.
type treeReader struct {
	decoder      *xml.Decoder
	elements     int
	declarations int
	root         *node
	open         []*node
	text         [][]byte // of the elements in open
}

// parseTree reads a document in UTF-8 that has one root and nothing else but comments and an XML declaration. It refuses
// document types (and so entities) and processing instructions, as SOAP does (SOAP 1.2, section 5).
func parseTree(data []byte) (*node, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%d bytes, more than %d", len(data), MaxSize)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, errors.New("not UTF-8")
	}
	r := treeReader{decoder: xml.NewDecoder(bytes.NewReader(data))}
	for {
		token, err := r.decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := r.take(token); err != nil {
			return nil, err
		}
	}
	if r.root == nil {
		return nil, errors.New("no XML element")
	}
	return r.root, nil
}

func (r *treeReader) take(token xml.Token) error {
	switch token := token.(type) {
	case xml.StartElement:
		return r.start(token)
	case xml.EndElement:
		last := len(r.open) - 1
		r.open[last].text = string(r.text[last])
		r.open, r.text = r.open[:last], r.text[:last]
	case xml.CharData:
		return r.chars(token)
	case xml.Directive:
		return errors.New("document type not allowed")
	case xml.ProcInst:
		if token.Target != "xml" || r.root != nil {
			return errors.New("processing instruction not allowed")
		}
	}
	return nil
}

func (r *treeReader) start(token xml.StartElement) error {
	r.elements++
	switch {
	case r.elements > maxElements:
		return fmt.Errorf("more than %d elements", maxElements)
	case len(r.open) >= maxDepth:
		return fmt.Errorf("elements nested deeper than %d", maxDepth)
	case r.root != nil && len(r.open) == 0:
		return errors.New("second root element")
	}
	n := &node{name: token.Name}
	if r.root == nil {
		r.root = n
	} else {
		parent := r.open[len(r.open)-1]
		parent.children = append(parent.children, n)
		n.prefixes = parent.prefixes
	}
	r.open, r.text = append(r.open, n), append(r.text, nil)
	return r.attributes(n, token.Attr)
}

// attributes parts n's attributes from its namespace declarations. None may be given twice, since readers differ in which
// one they take. It works within attrs, which the decoder makes anew for each element.
func (r *treeReader) attributes(n *node, attrs []xml.Attr) error {
	inherited := n.prefixes
	n.attrs = attrs[:0]
	for _, a := range attrs {
		var err error
		switch {
		case a.Name.Space == "xmlns":
			err = r.declare(n, a.Name.Local, a.Value, inherited)
		case a.Name == xml.Name{Local: "xmlns"}:
			err = r.declare(n, "", a.Value, inherited)
		default:
			err = n.addAttr(a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *treeReader) declare(n *node, prefix, space string, inherited *binding) error {
	for b := n.prefixes; b != inherited; b = b.outer {
		if b.prefix == prefix {
			return fmt.Errorf("namespace prefix %.100q declared twice", prefix)
		}
	}
	if r.declarations++; r.declarations > maxDeclarations {
		return fmt.Errorf("more than %d namespace declarations", maxDeclarations)
	}
	n.prefixes = &binding{prefix, space, n.prefixes}
	return nil
}

func (n *node) addAttr(attr xml.Attr) error {
	if slices.ContainsFunc(n.attrs, func(a xml.Attr) bool { return a.Name == attr.Name }) {
		return fmt.Errorf("attribute %.100q given twice", attr.Name.Local)
	}
	if len(n.attrs) == maxAttributes {
		return fmt.Errorf("more than %d attributes on one element", maxAttributes)
	}
	n.attrs = append(n.attrs, attr)
	return nil
}

// chars gathers text that comments and CDATA sections split.
func (r *treeReader) chars(text []byte) error {
	if len(r.open) == 0 {
		if len(bytes.Trim(text, xmlSpace)) > 0 {
			return errors.New("text outside the root element")
		}
		return nil
	}
	last := len(r.open) - 1
	if len(r.text[last])+len(text) > maxText {
		return fmt.Errorf("text of more than %d bytes", maxText)
	}
	r.text[last] = append(r.text[last], text...)
	return nil
}

// child gives the one child of that name, or nil; two are an error, since readers differ in which one they take.
func (n *node) child(space, local string) (*node, error) {
	var found *node
	for _, c := range n.children {
		if c.name.Space != space || c.name.Local != local {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s given twice", local)
		}
		found = c
	}
	return found, nil
}

// attr gives an attribute's value, or "".
func (n *node) attr(space, local string) string {
	for _, a := range n.attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return trim(a.Value)
		}
	}
	return ""
}

// qname resolves one QName in n's text. Some devices write {namespace}local instead.
func (n *node) qname(s string) (Name, bool) {
	if strings.HasPrefix(s, "{") {
		name, err := ParseName(s)
		return name, err == nil
	}
	prefix, local, found := strings.Cut(s, ":")
	if !found {
		prefix, local = "", s
	}
	space, ok := n.prefixes.expand(prefix)
	return Name{Space: space, Local: local}, ok
}
