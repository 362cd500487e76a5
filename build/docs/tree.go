package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"vitrine/agent/cli"
)

// A page is what is known of one command, or of the program as a whole.
type page struct {
	// path is what is typed, such as "vitrine content list".
	path    string
	command cli.Command
	// options are those of a command without commands of its own.
	options []option
}

// An option is one of a command; kind is what its value is, empty if it takes none.
type option struct{ name, kind, usage, standard string }

// pages asks a program for the help of all its commands. state is the folder that its service has, which is in some of that.
func pages(program cli.Command, state string) ([]page, error) {
	if err := os.Setenv("STATE_DIRECTORY", state); err != nil {
		return nil, err
	}
	return walk(nil, program.Name, program)
}

func walk(list []page, path string, c cli.Command) ([]page, error) {
	if c.Run == nil {
		list = append(list, page{path: path, command: c})
		for _, sub := range c.Commands {
			var err error
			if list, err = walk(list, path+" "+sub.Name, sub); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	p := page{path: path}
	env := cli.Env{Stdout: io.Discard, Stderr: io.Discard, Describe: func(_ string, c cli.Command, options *flag.FlagSet) {
		p.command, p.options = c, optionsOf(options)
	}}
	if err := c.Run(context.Background(), env, []string{"--help"}); !errors.Is(err, flag.ErrHelp) || p.command.Name == "" {
		return nil, fmt.Errorf("%s --help: %v", path, err)
	}
	return append(list, p), nil
}

func optionsOf(set *flag.FlagSet) (list []option) {
	set.VisitAll(func(f *flag.Flag) {
		kind, usage := flag.UnquoteUsage(f)
		o := option{name: f.Name, kind: kind, usage: usage}
		if f.DefValue != "false" && f.DefValue != "0" {
			o.standard = f.DefValue
		}
		list = append(list, o)
	})
	return list
}

// takesFiles tells whether files are among a command's arguments.
func (p page) takesFiles() bool {
	return slices.ContainsFunc(strings.FieldsFunc(p.command.Usage, func(r rune) bool { return strings.ContainsRune(" []|…", r) }), isPath)
}

// isPath tells whether a value of this kind is a file's or a folder's name.
func isPath(kind string) bool {
	return slices.Contains([]string{"file", "folder", "path", "bundle"}, strings.ToLower(kind))
}
