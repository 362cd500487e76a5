package service

import (
	"context"
	"os"

	"github.com/kardianos/service"
)

// Run runs f as the operating system's service manager wants it: on a console that is any process, which ends with ctx;
// as a service it obeys the service control manager. A service whose f fails by itself exits with code 1, which is the
// only way to have Windows start it again.
func Run(ctx context.Context, c Config, f func(context.Context) error) error {
	if service.Interactive() {
		return f(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := open(c, &program{ctx: ctx, cancel: cancel, f: f, done: make(chan struct{})})
	if err != nil {
		return err
	}
	return s.Run()
}

// program is f as the library wants it.
type program struct {
	ctx    context.Context
	cancel context.CancelFunc
	f      func(context.Context) error
	done   chan struct{}
}

// Start must return at once.
func (p *program) Start(service.Service) error {
	go func() {
		defer close(p.done)
		if err := p.f(p.ctx); err != nil && p.ctx.Err() == nil {
			os.Exit(1)
		}
	}()
	return nil
}

// Stop waits for the end.
func (p *program) Stop(service.Service) error {
	p.cancel()
	<-p.done
	return nil
}

// Restarts tells whether this process is a service that is started again when it ends.
func Restarts() bool { return !service.Interactive() }
