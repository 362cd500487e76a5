package wsd

import (
	"fmt"
	"strings"
	"unicode"
)

// A Name is an expanded XML name, as types are: a namespace and a local part, both compared exactly. Prefixes are only
// spelling and don't reach callers (section 5.1).
type Name struct {
	// Space is the namespace URI.
	Space string
	// Local is the name within it.
	Local string
}

// String is "{space}local", since section 5.1 compares expanded names.
func (n Name) String() string { return "{" + n.Space + "}" + n.Local }

// ParseName reads the form that String writes. The namespace is needed: a type without one can't be asked for (section 5.2
// has QNames with a prefix).
func ParseName(s string) (Name, error) {
	rest, ok := strings.CutPrefix(s, "{")
	space, local, found := strings.Cut(rest, "}")
	n := Name{Space: space, Local: local}
	if !ok || !found || space == "" {
		return Name{}, fmt.Errorf("type %.100q: want {namespace}name", s)
	}
	return n, n.check()
}

// MarshalText is String, for JSON. Types are not written in this form in messages (section 5.2 has QNames).
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is ParseName.
func (n *Name) UnmarshalText(b []byte) error {
	parsed, err := ParseName(string(b))
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}

func (n Name) check() error {
	if n.Space != "" {
		if err := checkURI(n.Space); err != nil {
			return fmt.Errorf("namespace of type %.100q: %w", n.Local, err)
		}
	}
	if !isNCName(n.Local) {
		return fmt.Errorf("type %.100q: not an XML name", n.Local)
	}
	return nil
}

// isNCName is the production NCName of Namespaces in XML 1.0, but for a few characters that no device uses.
func isNCName(s string) bool {
	if s == "" || len(s) > maxURI {
		return false
	}
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar:
			return false
		case r == '_' || unicode.IsLetter(r):
		case i > 0 && (r == '-' || r == '.' || unicode.IsDigit(r) || unicode.IsMark(r)):
		default:
			return false
		}
	}
	return true
}
