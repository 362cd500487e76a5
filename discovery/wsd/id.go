package wsd

import "strings"

// CanonicalID is the spelling to compare message ids and endpoint references by (sections 2.1, 5.3 and 6.1).
// WS-Addressing 1.0, section 3.3 compares them as strings, but devices answer to "urn:uuid:" with "uuid:", braces, upper
// case or a bare UUID. A text that is no UUID in any of these spellings is only trimmed.
func CanonicalID(s string) string {
	s = trim(s)
	rest := s
	for _, prefix := range [...]string{"urn:", "uuid:"} {
		if len(rest) >= len(prefix) && strings.EqualFold(rest[:len(prefix)], prefix) {
			rest = rest[len(prefix):]
		}
	}
	if len(rest) > 2 && rest[0] == '{' && rest[len(rest)-1] == '}' {
		rest = rest[1 : len(rest)-1]
	}
	if !isUUID(rest) {
		return s
	}
	return "urn:uuid:" + strings.ToLower(rest)
}

// isUUID takes the text form of RFC 9562, section 4, in either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && unhex(s[i]) < 0 {
			return false
		}
	}
	return true
}

const xmlSpace = " \t\r\n"

func trim(s string) string { return strings.Trim(s, xmlSpace) }

// fields splits a list as XML Schema does: at four characters, and not at every space of Unicode.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(xmlSpace, r) })
}
