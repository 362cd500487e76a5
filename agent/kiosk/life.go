package kiosk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vitrine/platform/child"
)

// A life is that of one browser.
type life struct {
	command *exec.Cmd
	tools   *devtools // nil for a browser without
	began   time.Time
}

// run is the life of one browser, with the page at url. It returns an ended if it was the kiosk that has ended it.
func (k *Kiosk) run(ctx context.Context, url string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// A pipe of our own, so that what the browser leaves behind can't hold up Wait.
	words, stderr, err := os.Pipe()
	if err != nil {
		return err
	}
	defer words.Close()
	l, theirs, err := k.launch(ctx, url)
	if err != nil {
		_ = stderr.Close()
		return err
	}
	l.command.Stderr = stderr
	err = l.command.Start()
	for _, f := range append(theirs, stderr) {
		_ = f.Close() // the browser has its own
	}
	last := &tail{}
	var readers sync.WaitGroup
	defer readers.Wait()
	if l.tools != nil {
		defer l.tools.close()
	}
	if err != nil {
		return err
	}
	if l.tools != nil {
		readers.Go(func() { l.tools.run(func() { k.give("the page has crashed") }) })
	}
	heard := make(chan struct{})
	readers.Go(func() {
		defer close(heard)
		_, _ = io.Copy(last, words) // up to its end, or the deadline
	})
	k.begin(l)
	defer k.end()
	pid := l.command.Process.Pid
	k.log().Info("The browser is started", "program", l.command.Path, "pid", pid)
	over := make(chan error, 1)
	go func() { over <- l.command.Wait() }()
	why, err := k.watch(ctx, pid, over)
	cancel()
	if err == nil {
		err = <-over
	}
	child.End(pid)
	_ = words.SetReadDeadline(time.Now().Add(lastWords)) // a helper that isn't of its group may have the other end
	<-heard
	if why != "" {
		return ended(why)
	}
	return fmt.Errorf("%s has ended: %w%s", filepath.Base(l.command.Path), err, last.words())
}

// lastWords is how long what a browser said at its end is waited for.
const lastWords = 200 * time.Millisecond

// watch waits until the browser is over, whose error it gives, or is to be ended, for a reason in words. It gives neither when ctx ends.
func (k *Kiosk) watch(ctx context.Context, pid int, over <-chan error) (why string, err error) {
	ticker := time.NewTicker(k.look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", nil
		case err := <-over:
			if err == nil {
				err = errors.New("nobody has asked it to")
			}
			return "", err
		case why := <-k.restart:
			return why, nil
		case <-ticker.C:
		}
		k.owner().Failed(nil)
		if why := k.weigh(pid); why != "" {
			k.owner().Restarted(why)
			return why, nil
		}
	}
}

// give up a browser for a reason that nobody else knows.
func (k *Kiosk) give(reason string) {
	if k.Restart(reason) {
		k.owner().Restarted(reason)
	}
}

// tail keeps the last words of a program.
type tail struct {
	mu   sync.Mutex
	data []byte
}

const tailSize = 500

// Write keeps the end of what is written. It never fails.
func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, data...)
	t.data = append([]byte(nil), t.data[max(0, len(t.data)-tailSize):]...)
	return len(data), nil
}

// words are its last line, for an error.
func (t *tail) words() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.data))
	if text == "" {
		return ""
	}
	return ": " + strings.ToValidUTF8(text[strings.LastIndexByte(text, '\n')+1:], "?")
}
