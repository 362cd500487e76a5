// Command vitrine-server is the server for one site of Vitrine viewers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // as in the viewer: both ends must judge a manifest alike

	"golang.org/x/term"

	"vitrine/agent/cli"
	"vitrine/agent/cli/vitrineserver"
)

// Set by the linker.
var (
	version = "development"
	built   string
	// releaseKey is the public key of the viewer's vendor, which has signed the releases that are handed out.
	releaseKey string
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks the program to end; a second one, by the default action, ends it.
	context.AfterFunc(ctx, stop)
	code := cli.Main(ctx, vitrineserver.Program(), cli.Env{
		Args:     os.Args[1:],
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
		Version:  version,
		Build:    cli.ParseBuild(built),

		ReleaseKey: releaseKey,
	})
	stop()
	os.Exit(code)
}
