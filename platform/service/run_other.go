//go:build !windows

package service

import "context"

// Run runs f as the operating system's service manager wants it: here that is any process, which ends with ctx.
func Run(ctx context.Context, _ Config, f func(context.Context) error) error { return f(ctx) }
