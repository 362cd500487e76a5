package display

import "fmt"

// Bytes are those of a text for a serial line: a character for each, so that every byte can be written in a settings file, such as "\u00aa\u0011".
func Bytes(text string) ([]byte, error) {
	var b []byte
	for _, r := range text {
		if r > 0xff {
			return nil, fmt.Errorf("%q is no byte; want characters up to \\u00ff", r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}
