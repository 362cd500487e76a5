package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// checkForm goes through a document that is JSON, and finds what decoding lets pass: a name that is there twice, of which
// two readers may take different ones; a name that differs from a known one only in case, which Go takes and other readers
// don't. If values is set it also finds the value that can't be decoded, for the decoder doesn't say in which item it was.
func checkForm(data []byte, values bool) error {
	c := checker{decoder: json.NewDecoder(bytes.NewReader(data)), values: values, known: map[reflect.Type]map[string]reflect.Type{}}
	c.decoder.UseNumber()
	return c.value(nil, reflect.TypeFor[Manifest]())
}

// A place is where a value is in the document; the document itself is at nil. Its text is made only for an error.
type place struct {
	parent *place
	// name is that of a member of an object; index is that of an element of an array, else -1.
	name  string
	index int
}

// maxSteps bounds the length of a place's text; what the manifest knows is never as deep.
const maxSteps = 12

// String is the way to the place, such as presentations.welcome.zones[1].
func (p *place) String() string {
	if p == nil {
		return "the document"
	}
	text := ""
	for steps := 0; p != nil; p, steps = p.parent, steps+1 {
		switch {
		case steps == maxSteps:
			return "…" + text
		case p.index >= 0:
			text = fmt.Sprintf("[%d]%s", p.index, text)
		case p.parent == nil:
			text = quoteName(p.name) + text
		default:
			text = "." + quoteName(p.name) + text
		}
	}
	return text
}

func (p *place) member(name string) *place { return &place{parent: p, name: name, index: -1} }

func (p *place) element(i int) *place { return &place{parent: p, index: i} }

// A checker reads a document once. Its methods take the type that a value is decoded into; nil is what this version
// doesn't know, and so ignores.
type checker struct {
	decoder *json.Decoder
	values  bool
	// known caches the fields of each struct.
	known map[reflect.Type]map[string]reflect.Type
}

func (c *checker) value(at *place, t reflect.Type) error {
	token, err := c.decoder.Token()
	if err != nil {
		return err
	}
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch token {
	case json.Delim('{'):
		return c.object(at, t)
	case json.Delim('['):
		return c.array(at, t)
	}
	return c.literal(at, t, token)
}

func (c *checker) object(at *place, t reflect.Type) error {
	if t != nil && t.Kind() != reflect.Map && (t.Kind() != reflect.Struct || isText(t)) {
		if c.values {
			return fmt.Errorf("%v: an object can't be here", at)
		}
		t = nil
	}
	seen := map[string]bool{}
	for c.decoder.More() {
		token, err := c.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if seen[name] {
			return fmt.Errorf("%v: is there twice", at.member(name))
		}
		seen[name] = true
		of, err := c.member(at, t, name)
		if err != nil {
			return err
		}
		if err := c.value(at.member(name), of); err != nil {
			return err
		}
	}
	_, err := c.decoder.Token()
	return err
}

// member checks a name in an object of type t, and gives the type of its value.
func (c *checker) member(at *place, t reflect.Type, name string) (reflect.Type, error) {
	switch {
	case t == nil:
		return nil, nil
	case t.Kind() == reflect.Map:
		if key, ok := reflect.New(t.Key()).Interface().(textUnmarshaler); ok && c.values {
			if err := key.UnmarshalText([]byte(name)); err != nil {
				return nil, fmt.Errorf("%v: %w", at, err)
			}
		}
		return t.Elem(), nil
	}
	fields := c.fields(t)
	if of, ok := fields[name]; ok {
		return of, nil
	}
	for known := range fields {
		if strings.EqualFold(known, name) {
			return nil, fmt.Errorf("%v: is spelled %q", at.member(name), known)
		}
	}
	return nil, nil
}

func (c *checker) array(at *place, t reflect.Type) error {
	var of reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		of = t.Elem()
	} else if t != nil && c.values {
		return fmt.Errorf("%v: a list can't be here", at)
	}
	for i := 0; c.decoder.More(); i++ {
		if err := c.value(at.element(i), of); err != nil {
			return err
		}
	}
	_, err := c.decoder.Token()
	return err
}

// literal finds out whether a text, number, truth value or null can be decoded into t.
func (c *checker) literal(at *place, t reflect.Type, token json.Token) error {
	if t == nil || !c.values {
		return nil
	}
	raw, err := json.Marshal(token)
	if err != nil {
		return err
	}
	into := reflect.New(t).Interface()
	err = json.Unmarshal(raw, into)
	_, isString := token.(string)
	switch {
	case err == nil:
		return nil
	case t == reflect.TypeFor[time.Time]():
		return fmt.Errorf("%v: %.60s is not a time such as \"2026-11-23T08:00:00Z\"", at, raw)
	case isString && isText(t):
		return fmt.Errorf("%v: %w", at, err)
	}
	return fmt.Errorf("%v: %.60s can't be here", at, raw)
}

type textUnmarshaler interface{ UnmarshalText([]byte) error }

// isText tells whether t is written as a text, as a time and a digest are.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[textUnmarshaler]())
}

// fields are the names that a struct has in JSON, and the types of their values.
func (c *checker) fields(t reflect.Type) map[string]reflect.Type {
	if c.known[t] == nil {
		c.known[t] = map[string]reflect.Type{}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			c.known[t][name] = t.Field(i).Type
		}
	}
	return c.known[t]
}
