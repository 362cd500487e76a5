// Command vitrine is the viewer agent for digital signage players.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"vitrine/agent/cli"
	"vitrine/agent/cli/vitrine"
)

// Set by the linker.
var (
	version = "development"
	built   string
	// releaseKey is the public key of the vendor, whose releases are taken.
	releaseKey string
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the program to end; a second one, by the default action, ends it.
	context.AfterFunc(ctx, stop)
	code := cli.Main(ctx, vitrine.Program(), cli.Env{
		Args:     os.Args[1:],
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
		Stdin:    os.Stdin,
		Asks:     term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		Version:  version,
		Build:    cli.ParseBuild(built),

		ReleaseKey: releaseKey,
	})
	stop()
	os.Exit(code)
}
