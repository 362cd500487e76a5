//go:build !windows

package service

import (
	"context"
	"os"
)

// Run runs f as the operating system's service manager wants it: here that is any process, which ends with ctx.
func Run(ctx context.Context, _ Config, f func(context.Context) error) error {
	keepCapabilities()
	return f(ctx)
}

// Restarts tells whether this process is a service that is started again when it ends: our scripts for SysV and OpenRC say so.
func Restarts() bool { return Watched() || os.Getenv(restartsVariable) != "" }

// Watched tells whether it is also ended when it hangs: systemd does that, and gives ours a socket on which to say that it is ready (sd_notify(3)).
func Watched() bool { return os.Getenv("NOTIFY_SOCKET") != "" }
