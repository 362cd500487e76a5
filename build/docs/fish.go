package main

import (
	"fmt"
	"strings"
)

// fish is the completion for fish: one line for each thing that may follow.
func fish(list []page) string {
	name := list[0].path
	at := "_" + function(name) + "_at"
	var b strings.Builder
	fmt.Fprintf(&b, `# Completion of %[1]s for fish, made from its --help.
function %[2]s
	set -l at %[1]s
	for word in (commandline -opc)[2..-1]
		switch "$at $word"
			case %[3]s
				set at "$at $word"
		end
	end
	test "$at" = "$argv"
end
complete -c %[1]s -f
complete -c %[1]s -l help -d 'say more'
`, name, at, strings.ReplaceAll(patterns(list), " | ", " "))
	for _, p := range list {
		when := fmt.Sprintf("complete -c %s -n '%s %s'", name, at, p.path)
		for _, c := range p.command.Commands {
			fmt.Fprintf(&b, "%s -a %s -d %s\n", when, c.Name, fishQuoted(c.Summary))
		}
		if p.takesFiles() {
			fmt.Fprintf(&b, "%s -F\n", when)
		}
		for _, o := range p.options {
			takes := ""
			switch {
			case isPath(o.kind):
				takes = " -r -F"
			case o.kind != "":
				takes = " -x"
			}
			fmt.Fprintf(&b, "%s -l %s%s -d %s\n", when, o.name, takes, fishQuoted(o.usage))
		}
	}
	return b.String()
}

func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
