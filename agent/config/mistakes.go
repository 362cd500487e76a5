package config

import (
	"bytes"
	"fmt"
	"strings"
)

// inWords says what the decoder has to say at a place to somebody who has never heard of the decoder, and names the setting. It never repeats a value, which
// may be a secret.
func inWords(data []byte, at place, offset int, message string) string {
	if _, kind, ok := strings.Cut(message, " of type "); ok {
		name := settingBefore(data, offset)
		return name + ": " + wanted(name, kind)
	}
	line := bytes.Split(data, []byte("\n"))[at.line-1]
	key, value, assigns := strings.Cut(string(line), "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !assigns || !isKey(key) {
		key = ""
	}
	says := func(parts ...string) bool {
		for _, part := range parts {
			if strings.Contains(message, part) {
				return true
			}
		}
		return false
	}
	text := message
	switch {
	case bytes.HasPrefix(data, []byte(`{\rtf`)):
		return "this is a text with fonts (RTF); save it as plain text"
	case says("already defined"):
		text = "it is set twice"
	case says("already exists"):
		return "this table is there twice; put its settings together"
	case says("end of input") || key != "" && value == "":
		text = "there is no value behind the ="
	case says("after key", "start of key"):
		return `want a setting, such as name = "Lobby"`
	case key != "" && isBare(value):
		text = unquoted(data, offset, key)
	case says("escape", `character after \`, "hexadecimal digit"):
		text = `write \\ or / in place of \`
	case says("cannot have new lines", "terminated"):
		text = "the closing quote is missing"
	case says("newline but got"):
		text = `something stands behind the value; write one setting in a line, and \" for a quote within a text`
	case says("array") && !strings.HasPrefix(value, "["): // it began before
		return listForm
	case strings.HasPrefix(value, "["):
		text = listForm
	case says("inline table"):
		text = "commas go between the settings within { }, and } at the end"
	case says("close table name", "close array table"):
		return "the closing ] is missing"
	}
	if key == "" {
		return text
	}
	return key + ": " + text
}

const listForm = `a list is written ["…", "…"]: each text between straight quotes, commas between them, and ] at the end`

// wanted is what a setting of a kind is to have.
func wanted(name, kind string) string {
	switch kind {
	case "[]string":
		return `want a list such as ["…"]`
	case "[]int":
		return "want a list of numbers, such as [7, 9]"
	case "string":
		return `want a text between straight quotes, such as "…"`
	case "int", "int64":
		return "want a whole number without quotes"
	case "float64":
		return "want a number without quotes"
	case "bool":
		return "want true or false, without quotes"
	}
	return "want its settings, in lines of their own below [" + name + "]"
}

// settingBefore is the name of the one to which a value belongs.
func settingBefore(data []byte, offset int) (name string) {
	for _, s := range settings(data) {
		if s.offset <= offset {
			name = s.name
		}
	}
	return name
}

// longestKey bounds what is repeated of a line: with a longer one it may be a secret that has a = in it.
const longestKey = 40

func isKey(s string) bool {
	return s != "" && len(s) <= longestKey && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '.' && r != '-'
	})
}

// isBare tells whether a value looks like a text without quotes.
func isBare(value string) bool {
	return !strings.ContainsRune(`"'[{`, rune(value[0])) && strings.Trim(value, "0123456789_+-") != ""
}

// unquoted says how to write the value of a setting in the table at a place, which looks like a text without quotes.
func unquoted(data []byte, offset int, key string) string {
	table := ""
	for line := range bytes.Lines(data[:offset]) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("[")) {
			table = string(line)
		}
	}
	quotes := `"…"`
	if err := decode(fmt.Appendf(nil, "%s%s = \"\"\n", table, key), &file{}); err != nil { // what a text with quotes would be told
		_, want, ok := strings.Cut(err.Error(), ": want ")
		switch {
		case strings.HasPrefix(want, "a list"):
			quotes = `["…"]`
		case ok:
			return "want " + want
		}
	}
	return "put the text between straight quotes: " + key + " = " + quotes
}
