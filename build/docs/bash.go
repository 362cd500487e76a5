package main

import (
	"fmt"
	"strings"
)

// bash is the completion for bash: the path of commands is read from the words, and then it is looked up what may follow.
func bash(list []page) string {
	name := list[0].path
	var values, follows strings.Builder
	for _, p := range list {
		var words []string
		for _, c := range p.command.Commands {
			words = append(words, c.Name)
		}
		var free, paths []string
		for _, o := range p.options {
			words = append(words, "--"+o.name)
			switch typed := fmt.Sprintf("'%s --%s'", p.path, o.name); {
			case o.kind == "":
			case isPath(o.kind):
				paths = append(paths, typed)
			default:
				free = append(free, typed)
			}
		}
		writeCase(&values, paths, "compopt -o default; return")
		writeCase(&values, free, "return")
		then := fmt.Sprintf("words='%s'", strings.Join(words, " "))
		if p.takesFiles() {
			then = "compopt -o default; " + then
		}
		writeCase(&follows, []string{"'" + p.path + "'"}, then)
	}
	return fmt.Sprintf(`# Completion of %[1]s for bash, made from its --help.
%[2]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} at=%[1]s word words=
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case "$at $word" in
		%[3]s) at+=" $word" ;;
		esac
	done
	COMPREPLY=()
	case "$at ${COMP_WORDS[COMP_CWORD-1]}" in
%[4]s	esac
	case "$at" in
%[5]s	esac
	mapfile -t COMPREPLY < <(compgen -W "$words --help" -- "$cur")
}
complete -F %[2]s %[1]s
`, name, function(name), patterns(list), values.String(), follows.String())
}

// writeCase writes one branch of a shell's case.
func writeCase(b *strings.Builder, patterns []string, then string) {
	if len(patterns) > 0 {
		fmt.Fprintf(b, "\t%s) %s ;;\n", strings.Join(patterns, " | "), then)
	}
}

// function is the name of the function that completes a program.
func function(name string) string { return "_" + strings.ReplaceAll(name, "-", "_") }

// patterns are all paths of commands, for a shell's case.
func patterns(list []page) string {
	var all []string
	for _, p := range list[1:] {
		all = append(all, "'"+p.path+"'")
	}
	return strings.Join(all, " | ")
}
