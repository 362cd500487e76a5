package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A setting is one that stands in a file: its name with those of its tables, such as "network.wifi.ssid", where it is, in bytes, and whether it is only a
// table itself.
type setting struct {
	name   string
	offset int
	table  bool
}

// settings lists what is in a file, in its order, as far as it can be read; tables are in the list too.
func settings(data []byte) []setting {
	var p unstable.Parser
	p.Reset(data)
	var list []setting
	table := ""
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = ""
			list = appendKey(list, "", e)
			table = list[len(list)-1].name
		case unstable.KeyValue:
			list = appendKey(list, table, e)
		}
	}
	return list
}

// appendKey adds the key of a node, and those of an inline table that is its value.
func appendKey(list []setting, table string, node *unstable.Node) []setting {
	name, first := table, -1
	for it := node.Key(); it.Next(); {
		if first < 0 {
			first = int(it.Node().Raw.Offset)
		}
		name = strings.ToLower(strings.TrimPrefix(name+"."+string(it.Node().Data), ".")) // the decoder takes capitals too
	}
	inline := node.Kind == unstable.KeyValue && node.Value().Kind == unstable.InlineTable
	list = append(list, setting{name, max(first, 0), inline || node.Kind != unstable.KeyValue})
	if !inline {
		return list
	}
	for it := node.Value().Children(); it.Next(); {
		list = appendKey(list, name, it.Node())
	}
	return list
}

// located puts the place of a setting before an error about it, which begins with the setting's name.
func located(data []byte, err error) error {
	message := err.Error()
	end := strings.IndexFunc(message, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && r != '.' })
	if end < 0 {
		end = len(message)
	}
	list := settings(data)
	for name := strings.TrimSuffix(message[:end], "."); name != ""; {
		for _, s := range list {
			if s.name == name {
				return fmt.Errorf("%v: %w", placeOf(data, s.offset), err)
			}
		}
		name = name[:max(strings.LastIndexByte(name, '.'), 0)] // the table, where a whole part is wrong
	}
	return err
}

// mostMistakes is how many misspelt settings are named.
const mostMistakes = 5

// explain puts the decoder's errors in one line each.
func explain(data []byte, err error) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var lines []string
		for _, e := range unknown.Errors[:min(len(unknown.Errors), mostMistakes)] {
			lines = append(lines, fmt.Sprintf("%v: there is no setting called %q", placeOf(data, offsetOf(data, &e)), strings.Join(e.Key(), ".")))
		}
		return errors.New(strings.Join(lines, "; "))
	}
	syntax, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return err
	}
	offset := offsetOf(data, syntax)
	at := placeOf(data, offset)
	if quote := curlyIn(data, at.line); quote != "" {
		return errors.New(quote)
	}
	return fmt.Errorf("%v: %s", at, inWords(data, at, offset, strings.TrimPrefix(syntax.Error(), "toml: ")))
}

// offsetOf is where an error of the decoder is, which counts bytes within the line.
func offsetOf(data []byte, e *toml.DecodeError) int {
	line, column := e.Position()
	offset := 0
	for range line - 1 {
		offset += strings.IndexByte(string(data[offset:]), '\n') + 1
	}
	return min(offset+column-1, len(data))
}
