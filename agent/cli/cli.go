// Package cli is what the command lines of both programs share: commands with their help, output for people and for
// machines, and a log that reads well on a terminal.
//
// It knows no command itself: those are in the packages vitrine and vitrineserver, a file each. Everything that a command
// needs from its surroundings comes in an Env, so that tests run commands in-process.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"
)

// An Env is what a command gets from its surroundings.
type Env struct {
	Args           []string
	Stdout, Stderr io.Writer
	// Terminal tells whether Stderr is a terminal, on which a progress bar may move.
	Terminal bool
	// Stdin is what somebody types; Asks tells whether there is somebody.
	Stdin io.Reader
	Asks  bool
	// Version is the program's version, and Build when it was made; zero if unknown.
	Version string
	Build   time.Time
	// Describe gets what --help would print: for a program that makes manuals of it.
	Describe func(path string, c Command, options *flag.FlagSet)
	// ReleaseKey is the public key whose releases a viewer takes, if its settings name none; empty if none was built in.
	ReleaseKey string
}

// A Command is a subcommand of a program.
type Command struct {
	Name string
	// Summary says in one line what it does.
	Summary string
	// Usage is its arguments after the name, such as "[--watch] MAC".
	Usage string
	// Help says the rest; it may be empty.
	Help string
	// Run parses args and does it.
	Run func(ctx context.Context, env Env, args []string) error
	// Commands are its own subcommands; Run is then nil.
	Commands []Command
}

// With gives a command its function; the two are apart because the function needs the command for its help.
func (c Command) With(run func(ctx context.Context, env Env, args []string) error) Command {
	c.Run = run
	return c
}

// A UsageError is a command line that can't be understood.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

// Usagef makes a UsageError.
func Usagef(format string, a ...any) error { return &UsageError{fmt.Sprintf(format, a...)} }

// Exit codes of the programs.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 2
)

// A Code is an exit code with a meaning of its own, of a command that has said all there is to say.
type Code int

func (c Code) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Main runs the command that env.Args names, and gives the exit code.
func Main(ctx context.Context, program Command, env Env) int {
	err := run(ctx, program.Name, program, env, env.Args)
	var usage *UsageError
	var code Code
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.As(err, &usage):
		fmt.Fprintf(env.Stderr, "%s: %v\nTry `%s --help`.\n", program.Name, err, program.Name)
		return ExitUsage
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintf(env.Stderr, "%s: %v\n", program.Name, err)
		return ExitError
	}
}

// run finds the command by walking down the tree.
func run(ctx context.Context, path string, c Command, env Env, args []string) error {
	if c.Run != nil {
		return c.Run(ctx, env, args)
	}
	if len(args) == 0 {
		writeTree(env.Stderr, path, c)
		return Usagef("say which command")
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		writeTree(env.Stdout, path, c)
		return nil
	}
	for _, sub := range c.Commands {
		if sub.Name == args[0] {
			return run(ctx, path+" "+sub.Name, sub, env, args[1:])
		}
	}
	return Usagef("there is no command %.40q", strings.TrimSpace(strings.TrimPrefix(path+" "+args[0], strings.Fields(path)[0])))
}

// writeTree lists a command's subcommands.
func writeTree(w io.Writer, path string, c Command) {
	fmt.Fprintf(w, "%s\n\nUsage: %s COMMAND\n\n", c.Summary, path)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, sub := range c.Commands {
		fmt.Fprintf(table, "  %s\t%s\n", sub.Name, sub.Summary)
	}
	table.Flush()
	fmt.Fprintf(w, "\n`%s COMMAND --help` says more.\n", path)
}

// Flags makes the flag set of a command; its Parse gives flag.ErrHelp after --help, and a UsageError for a mistake.
func Flags(env Env, path string, c Command) *FlagSet {
	set := flag.NewFlagSet(path, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	return &FlagSet{FlagSet: set, env: env, path: path, command: c}
}

// A FlagSet is a flag.FlagSet that prints help as the programs do.
type FlagSet struct {
	*flag.FlagSet
	env     Env
	path    string
	command Command
}

// Parse reads the flags, which may stand before and after the arguments, and gives the arguments: at least least and at
// most most of them.
func (f *FlagSet) Parse(args []string, least, most int) ([]string, error) {
	var rest []string
	for {
		err := f.FlagSet.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			f.help()
			return nil, err
		}
		if err != nil {
			return nil, &UsageError{f.path + ": " + err.Error()}
		}
		if f.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
	if len(rest) < least || len(rest) > most {
		return nil, Usagef("usage: %s %s", f.path, f.command.Usage)
	}
	return rest, nil
}

func (f *FlagSet) help() {
	if f.env.Describe != nil {
		f.env.Describe(f.path, f.command, f.FlagSet)
		return
	}
	fmt.Fprintf(f.env.Stdout, "%s\n\nUsage: %s %s\n", f.command.Summary, f.path, f.command.Usage)
	if f.command.Help != "" {
		fmt.Fprintf(f.env.Stdout, "\n%s\n", f.command.Help)
	}
	first := true
	f.VisitAll(func(option *flag.Flag) {
		if first {
			fmt.Fprintln(f.env.Stdout, "\nOptions:")
			first = false
		}
		kind, usage := flag.UnquoteUsage(option)
		line := "  --" + option.Name
		if kind != "" {
			line += " " + strings.ToUpper(kind)
		}
		if option.DefValue != "" && option.DefValue != "false" && option.DefValue != "0" {
			usage += fmt.Sprintf(" (default %s)", option.DefValue)
		}
		fmt.Fprintf(f.env.Stdout, "%s\n        %s\n", line, usage)
	})
}

// A List is a flag that may be given several times, or with commas.
type List []string

// String is the list with commas.
func (l *List) String() string { return strings.Join(*l, ",") }

// Set adds to the list.
func (l *List) Set(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// WriteJSON prints v for a machine.
func WriteJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// Table prints rows with aligned columns; the first row is the heading.
func Table(w io.Writer, rows [][]string) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if cell == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

// LogOptions are the flags by which every daemon's log is set.
type LogOptions struct {
	Level, Format, Prefix string
}

// Register adds the flags.
func (o *LogOptions) Register(f *FlagSet) {
	f.StringVar(&o.Level, "log", "info", "`level` of the log: debug, info, warn or error")
	f.StringVar(&o.Format, "log-format", "text", "`format` of the log: text for people or json for machines")
	f.StringVar(&o.Prefix, "log-name", "", "`name` to put before every line, when several programs share a terminal")
}

// New makes the log.
func (o LogOptions) New(env Env, console *Console) (*slog.Logger, error) {
	log, _, err := o.NewLevel(env, console)
	return log, err
}

// NewLevel is New with the level, which may be changed later.
func (o LogOptions) NewLevel(env Env, console *Console) (*slog.Logger, *slog.LevelVar, error) {
	level := &slog.LevelVar{}
	if err := level.UnmarshalText([]byte(o.Level)); err != nil {
		return nil, nil, Usagef("--log %s: want debug, info, warn or error", o.Level)
	}
	switch o.Format {
	case "text":
		return slog.New(console.Handler(level, o.Prefix)), level, nil
	case "json":
		return slog.New(slog.NewJSONHandler(env.Stderr, &slog.HandlerOptions{Level: level})), level, nil
	}
	return nil, nil, Usagef("--log-format %s: want text or json", o.Format)
}
