package wsd

import (
	"slices"
	"strconv"
	"strings"
)

// key gives the form of a scope in which a rule compares: a scope asked for matches a target's exactly if the target's key
// begins with its key. So each scope is taken apart once, however many it is compared with. It is false for what the rule
// can't read, which matches nothing.
func (r Rule) key(scope string) (string, bool) {
	var k key
	switch r {
	case RuleDefault, RulePrefix:
		k = prefixKey(scope)
	case RuleUUID:
		k = uuidKey(scope)
	case RuleLDAP:
		k = ldapKey(scope)
	case RuleExact:
		k = key{}.item(scope)
	}
	return string(k), k != nil
}

// A key is a list of items, each written as its length, a colon and its bytes. Since items show where they end, one list
// begins with another exactly if its bytes do. nil stands for what can't be read.
type key []byte

func (k key) item(s string) key {
	k = strconv.AppendInt(k, int64(len(s)), 10)
	k = append(k, ':')
	return append(k, s...)
}

// prefixKey is for the rule rfc3986 or rfc2396 (section 5.1): the scheme, the authority, and each segment of the path.
// Query and fragment don't count, and as in WCF neither do the parameters after a ";", nor a last slash. Segments are
// decoded after the split, so that an encoded slash doesn't part. The rule allows no dot segments.
func prefixKey(scope string) key {
	u, ok := splitURI(scope)
	if !ok {
		return nil
	}
	k := make(key, 0, 2*len(scope)).item(u.scheme).item(u.authority)
	if u.path == "" && u.authority == "" {
		return k
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(u.path, "/"), "/") {
		segment, _, _ = strings.Cut(segment, ";")
		segment, ok := unescape(segment)
		if !ok || segment == "." || segment == ".." {
			return nil
		}
		k = k.item(segment)
	}
	return k
}

// uuidKey takes "uuid:" and "urn:uuid:", as WCF does, though section 5.1 names only the former.
func uuidKey(scope string) key {
	id, ok := strings.CutPrefix(CanonicalID(scope), "urn:uuid:")
	if !ok || !isUUID(id) || !strings.Contains(scope, ":") {
		return nil
	}
	return key{}.item(id)
}

// ldapKey is for the rule ldap (section 5.1), on URLs of RFC 4516: the host and port, and each RDN. A distinguished name is
// written with the root last, and compared from there.
func ldapKey(scope string) key {
	u, ok := splitURI(scope)
	if !ok || u.scheme != "ldap" {
		return nil
	}
	dn, ok := unescape(strings.TrimPrefix(u.path, "/"))
	if !ok {
		return nil
	}
	k := make(key, 0, 2*len(scope)).item(u.authority)
	if dn == "" {
		return k
	}
	for _, rdn := range slices.Backward(splitEscaped(dn, ',')) {
		values, ok := rdnValues(rdn)
		if !ok {
			return nil
		}
		k = k.item(strconv.Itoa(len(values)))
		for _, value := range values {
			k = k.item(value)
		}
	}
	return k
}

// rdnValues gives the parts of an RDN (RFC 4514, section 2.2) in one spelling: attribute types in lower case, several parts
// sorted.
func rdnValues(rdn string) ([]string, bool) {
	parts := splitEscaped(rdn, '+')
	for i, part := range parts {
		kind, value, found := strings.Cut(part, "=")
		if !found {
			return nil, false
		}
		parts[i] = strings.ToLower(strings.TrimSpace(kind)) + "=" + unescapeValue(strings.TrimSpace(value))
	}
	slices.Sort(parts)
	return parts, true
}

// splitEscaped splits at each separator that has no backslash in front.
func splitEscaped(s string, separator byte) []string {
	list := make([]string, 0, 1+strings.Count(s, string(separator)))
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
	if !strings.Contains(s, `\`) {
		return s
	}
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
