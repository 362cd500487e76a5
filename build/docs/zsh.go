package main

import (
	"fmt"
	"strings"
)

// zsh is the completion for zsh, which shows what each thing is for.
func zsh(list []page) string {
	name := list[0].path
	var follows strings.Builder
	for _, p := range list {
		var does []string
		switch {
		case p.command.Commands != nil:
			for _, c := range p.command.Commands {
				does = append(does, quoted(strings.ReplaceAll(c.Name, ":", `\:`)+":"+c.Summary))
			}
			does = []string{"names=(" + strings.Join(does, " ") + "); _describe command names"}
		default:
			for _, o := range p.options {
				does = append(does, quoted("*--"+o.name+"["+brackets(o.usage)+"]"+value(o.kind)))
			}
			if p.takesFiles() {
				does = append(does, "'*:file:_files'")
			}
			does = append([]string{"_arguments"}, append(does, "'--help[say more]'")...)
		}
		writeCase(&follows, []string{"'" + p.path + "'"}, strings.Join(does, " "))
	}
	return fmt.Sprintf(`#compdef %[1]s
# Completion of %[1]s for zsh, made from its --help.
local at=%[1]s n=1 i
local -a names
for ((i = 2; i < CURRENT; i++)); do
	case "$at $words[i]" in
	%[2]s) at+=" $words[i]"; n=$i ;;
	esac
done
shift $((n - 1)) words
((CURRENT -= n - 1))
case "$at" in
%[3]sesac
`, name, patterns(list), follows.String())
}

// value is how _arguments is told what an option takes.
func value(kind string) string {
	switch {
	case kind == "":
		return ""
	case kind == "folder":
		return ":folder:_files -/"
	case isPath(kind):
		return ":" + kind + ":_files"
	}
	return ":" + strings.ReplaceAll(kind, ":", `\:`) + ": "
}

func brackets(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(text)
}

// quoted is a word as every shell here takes it, without any of it meaning something.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
