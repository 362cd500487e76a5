package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"vitrine/agent/cli"
)

// program has one command of each kind.
func program() cli.Command {
	echo := cli.Command{Name: "echo", Summary: "say it again", Usage: "[--loud] WORD", Help: "It repeats WORD."}
	echo.Run = func(_ context.Context, env cli.Env, args []string) error {
		flags := cli.Flags(env, "prog echo", echo)
		loud := flags.Bool("loud", false, "in capitals")
		rest, err := flags.Parse(args, 1, 1)
		if err != nil {
			return err
		}
		word := rest[0]
		if *loud {
			word = strings.ToUpper(word)
		}
		_, err = env.Stdout.Write([]byte(word))
		return err
	}
	fail := cli.Command{Name: "fail", Summary: "fail", Run: func(context.Context, cli.Env, []string) error { return errors.New("it is broken") }}
	coded := cli.Command{Name: "coded", Summary: "end with a code", Run: func(context.Context, cli.Env, []string) error { return cli.Code(3) }}
	return cli.Command{Name: "prog", Summary: "A program.", Commands: []cli.Command{echo, {Name: "deep", Summary: "more", Commands: []cli.Command{fail, coded}}}}
}

func run(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = cli.Main(context.Background(), program(), cli.Env{Args: args, Stdout: &out, Stderr: &errs})
	return out.String(), errs.String(), code
}

func TestMainFindsCommands(t *testing.T) {
	for name, c := range map[string]struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		"argument":          {[]string{"echo", "a"}, 0, "a", ""},
		"flag after":        {[]string{"echo", "a", "--loud"}, 0, "A", ""},
		"help of a command": {[]string{"echo", "--help"}, 0, "It repeats WORD.", ""},
		"help of the tree":  {[]string{"--help"}, 0, "say it again", ""},
		"help below":        {[]string{"deep", "help"}, 0, "prog deep COMMAND", ""},
		"nothing":           {nil, 2, "", "say which command"},
		"unknown":           {[]string{"ehco"}, 2, "", `no command "ehco"`},
		"unknown below":     {[]string{"deep", "x"}, 2, "", `no command "deep x"`},
		"unknown flag":      {[]string{"echo", "a", "--quiet"}, 2, "", "-quiet"},
		"too few":           {[]string{"echo"}, 2, "", "usage: prog echo [--loud] WORD"},
		"too many":          {[]string{"echo", "a", "b"}, 2, "", "usage: prog echo"},
		"a code of its own": {[]string{"deep", "coded"}, 3, "", ""},
		"failure":           {[]string{"deep", "fail"}, 1, "", "prog: it is broken"},
	} {
		stdout, stderr, code := run(c.args...)
		if code != c.code || !strings.Contains(stdout, c.stdout) || !strings.Contains(stderr, c.stderr) {
			t.Errorf("%s: code %d\nstdout %q\nstderr %q", name, code, stdout, stderr)
		}
	}
}

// What comes from the network must not move the cursor or forge a line.
func TestConsoleLines(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(cli.NewConsole(&out, false).Handler(slog.LevelInfo, "viewer"))
	log.Debug("not shown")
	log.Info("Found a server", "site", "demo", "name", "a b", "evil", "x\n12:00:00 ERROR \x1b[2Jforged\u202e")
	log.With("a", 1).WithGroup("g").Warn("Careful", "b", 2)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	if !strings.Contains(lines[0], `viewer  Found a server  site=demo  name="a b"  evil="x`) || strings.ContainsAny(lines[0], "\x1b\u202e") {
		t.Errorf("line %q", lines[0])
	}
	if !strings.Contains(lines[1], "WARNING Careful  a=1  g.b=2") {
		t.Errorf("line %q", lines[1])
	}
}

// On a terminal a log line goes above the progress bar, which is drawn again below it.
func TestConsoleStatus(t *testing.T) {
	var out bytes.Buffer
	console := cli.NewConsole(&out, true)
	console.Status("[###]")
	slog.New(console.Handler(slog.LevelInfo, "")).Info("hello")
	console.Status("")
	want := "\r\x1b[K[###]" + "\r\x1b[K"
	if got := out.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "hello\n[###]") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("written: %q", got)
	}
	out.Reset()
	cli.NewConsole(&out, false).Status("[###]")
	if out.Len() > 0 {
		t.Errorf("a bar in a file: %q", out.String())
	}
}

func TestWords(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 351_171: "351.2 kB", 5_000_000_000: "5.0 GB"} {
		if got := cli.Bytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := cli.ProgressBar(1, 4, 8, "x"); got != "[██······]  25 %  x" {
		t.Errorf("bar %q", got)
	}
	var list cli.List
	if err := errors.Join(list.Set("a, b"), list.Set("c")); err != nil || list.String() != "a,b,c" {
		t.Errorf("list %q, %v", list.String(), err)
	}
	if got := cli.ParseBuild("0"); got.Unix() != 0 {
		t.Errorf("build %v", got)
	}
	if got := cli.ParseBuild(""); !got.IsZero() {
		t.Errorf("no build: %v", got)
	}
}

func TestVersionCommand(t *testing.T) {
	var out bytes.Buffer
	env := cli.Env{Stdout: &out, Stderr: &out, Version: "1.2", Args: []string{"version", "--json"}}
	program := cli.Command{Name: "prog", Commands: []cli.Command{cli.VersionCommand("prog", nil)}}
	if code := cli.Main(context.Background(), program, env); code != 0 {
		t.Fatal(out.String())
	}
	var v struct{ Program, Version string }
	if err := json.Unmarshal(out.Bytes(), &v); err != nil || v.Program != "prog" || v.Version != "1.2" {
		t.Errorf("%+v, %v", v, err)
	}
}
