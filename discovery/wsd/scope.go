package wsd

import (
	"fmt"
	"slices"
	"strings"
)

// A uri is taken apart by hand, since net/url cleans what these rules want to see as it was written.
type uri struct {
	scheme       string // lower case
	hasAuthority bool
	authority    string // lower case
	path         string // without query and fragment
}

func splitURI(s string) (u uri, ok bool) {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || !isScheme(scheme) {
		return uri{}, false
	}
	u.scheme = strings.ToLower(scheme)
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		u.hasAuthority = true
		end := strings.IndexByte(after, '/')
		if end < 0 {
			end = len(after)
		}
		u.authority, rest = strings.ToLower(after[:end]), after[end:]
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

// matchPrefix is the rule rfc3986 or rfc2396 (section 5.1).
func matchPrefix(asked, scope string) bool {
	a, ok1 := splitURI(asked)
	b, ok2 := splitURI(scope)
	if !ok1 || !ok2 || a.scheme != b.scheme || a.hasAuthority != b.hasAuthority || a.authority != b.authority {
		return false
	}
	as, ok1 := segments(a.path)
	bs, ok2 := segments(b.path)
	return ok1 && ok2 && len(as) <= len(bs) && slices.Equal(as, bs[:len(as)])
}

// segments splits a path, drops the parameters after ";" and decodes each segment after the split, so that an encoded
// slash doesn't part. A last slash doesn't count. The rule allows no dot segments. A path without a slash in front
// ("urn:a:b") is one segment.
func segments(path string) ([]string, bool) {
	list := []string{path}
	if rest, ok := strings.CutPrefix(path, "/"); ok {
		list = strings.Split(rest, "/")
	}
	if list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	for i, s := range list {
		s, _, _ = strings.Cut(s, ";")
		s, ok := unescape(s)
		if !ok || s == "." || s == ".." {
			return nil, false
		}
		list[i] = s
	}
	return list, true
}

// unescape decodes percent-encoding; false if it is malformed.
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

// matchUUID takes "uuid:" and "urn:uuid:", as WCF does, though the drafts name only the former.
func matchUUID(asked, scope string) bool {
	a, b := CanonicalID(asked), CanonicalID(scope)
	isURI := strings.Contains(asked, ":") && strings.Contains(scope, ":")
	return isURI && a == b && strings.HasPrefix(a, "urn:uuid:") && isUUID(a[len("urn:uuid:"):])
}

// matchLDAP compares two ldap URLs (RFC 4516). A distinguished name is written with the root last, so that "begins with"
// on its sequence of RDNs is "ends with" on its text.
func matchLDAP(asked, scope string) bool {
	a, ok1 := splitURI(asked)
	b, ok2 := splitURI(scope)
	if !ok1 || !ok2 || a.scheme != "ldap" || b.scheme != "ldap" || a.authority != b.authority {
		return false
	}
	as, ok1 := rdns(a.path)
	bs, ok2 := rdns(b.path)
	return ok1 && ok2 && len(as) <= len(bs) && slices.Equal(as, bs[len(bs)-len(as):])
}

// rdns splits a distinguished name (RFC 4514) into RDNs in one spelling each: attribute types in lower case, the parts of
// one with several values sorted.
func rdns(path string) ([]string, bool) {
	dn, ok := unescape(strings.TrimPrefix(path, "/"))
	if !ok || dn == "" {
		return nil, ok
	}
	list := splitEscaped(dn, ',')
	for i, rdn := range list {
		parts := splitEscaped(rdn, '+')
		for j, part := range parts {
			kind, value, found := strings.Cut(part, "=")
			if !found {
				return nil, false
			}
			parts[j] = strings.ToLower(strings.TrimSpace(kind)) + "=" + unescapeValue(strings.TrimSpace(value))
		}
		slices.Sort(parts)
		// Quoted, so that one value with a "+" in it isn't taken for two.
		list[i] = fmt.Sprintf("%q", parts)
	}
	return list, true
}

// splitEscaped splits at each separator that has no backslash in front.
func splitEscaped(s string, separator byte) []string {
	var list []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			list = append(list, s[start:i])
			start = i + 1
		}
	}
	return append(list, s[start:])
}

// unescapeValue resolves the escapes of RFC 4514, section 2.4: a backslash and either two hex digits or the character.
func unescapeValue(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i+1 < len(s) && unhex(s[i]) >= 0 && unhex(s[i+1]) >= 0 {
			b.WriteByte(byte(unhex(s[i])<<4 | unhex(s[i+1])))
			i++
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
