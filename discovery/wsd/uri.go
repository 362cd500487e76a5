package wsd

import "strings"

// A uri is taken apart by hand, since net/url cleans what the matching rules want to see as it was written.
type uri struct {
	scheme    string // lower case
	authority string // lower case, with the "//" in front; empty if there is none
	path      string // without query and fragment
}

// splitURI follows RFC 3986, section 3.
func splitURI(s string) (u uri, ok bool) {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !isScheme(scheme) {
		return uri{}, false
	}
	u.scheme = strings.ToLower(scheme)
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	if strings.HasPrefix(rest, "//") {
		end := strings.IndexByte(rest[2:], '/') + 2
		if end < 2 {
			end = len(rest)
		}
		u.authority, rest = strings.ToLower(rest[:end]), rest[end:]
	}
	u.path = rest
	return u, true
}

// isScheme is the production scheme of RFC 3986, section 3.1.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// unescape decodes percent-encoding (RFC 3986, section 2.1); false if it is malformed.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), true
}

// unhex is the value of a hex digit, or -1.
func unhex(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}
