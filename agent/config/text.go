package config

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// utf8Mark is the byte order mark that Notepad puts before UTF-8.
const utf8Mark = "\ufeff"

// Text is a file as UTF-8 without a byte order mark, whatever a person's editor made of it: Notepad also writes UTF-16, in either order of
// bytes. The error says where a file stops being text.
func Text(data []byte) ([]byte, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%d bytes are more than the limit of %d", len(data), MaxSize)
	}
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		order, data = binary.LittleEndian, data[2:]
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		order, data = binary.BigEndian, data[2:]
	case len(data) > 1 && data[0] != 0 && data[1] == 0:
		order = binary.LittleEndian
	case len(data) > 1 && data[0] == 0 && data[1] != 0:
		order = binary.BigEndian
	}
	if order != nil {
		data = fromUTF16(data, order)
	}
	data = bytes.TrimPrefix(data, []byte(utf8Mark))
	return data, checkText(data)
}

// fromUTF16 puts U+FFFD where there is no character.
func fromUTF16(data []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, 0, len(data)/2+1)
	for ; len(data) > 1; data = data[2:] {
		units = append(units, order.Uint16(data))
	}
	if len(data) == 1 {
		units = append(units, utf8.RuneError)
	}
	return []byte(string(utf16.Decode(units)))
}

// checkText finds what no editor writes as UTF-8.
func checkText(data []byte) error {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError {
			return fmt.Errorf("%v: this isn't a character in UTF-8; save the file with the encoding UTF-8", placeOf(data, i))
		}
		if r == 0 {
			return fmt.Errorf("%v: this isn't text", placeOf(data, i))
		}
		i += size
	}
	return nil
}

// A place is where something is in a file. Both count from 1, and the column counts characters, as editors do.
type place struct{ line, column int }

func (p place) String() string { return fmt.Sprintf("line %d, column %d", p.line, p.column) }

// placeOf is the place of a byte.
func placeOf(data []byte, offset int) place {
	before := data[:min(offset, len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return place{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1}
}

// curly are what word processors, and some keyboards, put in place of straight quotes.
const curly = "“”„‟‘’‚‛«»"

// curlyIn finds the first curly quote of a line, which may well be why it can't be read.
func curlyIn(data []byte, line int) string {
	text := bytes.Split(data, []byte("\n"))[line-1]
	at := bytes.IndexAny(text, curly)
	if at < 0 {
		return ""
	}
	r, _ := utf8.DecodeRune(text[at:])
	straight := `"`
	if strings.ContainsRune("‘’‚‛", r) {
		straight = "'"
	}
	return fmt.Sprintf("%v: %c is a curly quote; write a straight one: %s", place{line, utf8.RuneCount(text[:at]) + 1}, r, straight)
}
