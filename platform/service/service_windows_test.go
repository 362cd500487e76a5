package service

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows/svc"
)

// A service answers, does not end because somebody logs off, and ends when it is told to.
func TestObeysTheManager(t *testing.T) {
	requests, states := make(chan svc.ChangeRequest), make(chan svc.Status)
	working, ended := make(chan struct{}), make(chan uint32)
	h := handler{t.Context(), func(ctx context.Context) error {
		close(working)
		<-ctx.Done()
		return ctx.Err()
	}}
	go func() {
		_, code := h.Execute(nil, requests, states)
		ended <- code
	}()
	running := <-states
	if running.State != svc.Running || running.Accepts != svc.AcceptStop|svc.AcceptShutdown {
		t.Errorf("at first: %+v", running)
	}
	<-working
	requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: running}
	if s := <-states; s != running {
		t.Errorf("when it is asked: %+v", s)
	}
	requests <- svc.ChangeRequest{Cmd: svc.Shutdown}
	if s := <-states; s.State != svc.StopPending || s.WaitHint == 0 {
		t.Errorf("when it is to stop: %+v", s)
	}
	if code := <-ended; code != 0 {
		t.Errorf("it ended with %d", code)
	}
}

// One that fails by itself ends without a word to the manager, so that it is started again, and says why.
func TestFailureIsStartedAgain(t *testing.T) {
	if path := os.Getenv("VITRINE_TEST_LOG"); path != "" {
		output.path = path
		if err := output.open(); err != nil {
			t.Fatal(err)
		}
		states := make(chan svc.Status, 1)
		handler{t.Context(), func(context.Context) error { return errors.New("the page's address is taken") }}.Execute(nil, nil, states)
		return
	}
	path := filepath.Join(t.TempDir(), "x.log")
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestFailureIsStartedAgain$")
	c.Env = append(os.Environ(), "VITRINE_TEST_LOG="+path)
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), " the page's address is taken") {
		t.Errorf("the log: %q, %v", text, err)
	}
}

// The log's lines have a date; it is bounded, and goes on where it can't be put aside.
func TestLogIsBounded(t *testing.T) {
	l := logFile{path: filepath.Join(t.TempDir(), "x.log")}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	line := append(bytes.Repeat([]byte("x"), 1<<16-1), '\n')
	write := func(times int) {
		t.Helper()
		for range times {
			if n, err := l.Write(line); err != nil || n != len(line) {
				t.Fatal(n, err)
			}
		}
	}
	write(50)
	for _, path := range []string{l.path, l.path + ".1"} {
		if info, err := os.Stat(path); err != nil || info.Size() > logSize/2+2<<16 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	text, err := os.ReadFile(l.path)
	if err != nil || len(text) < 12 || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[11] != 'x' {
		t.Errorf("it begins with %.20q, %v", text, err)
	}
	reader, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	write(50)
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	l.close()
	if err := removeAll(l.path, l.path+".1"); err != nil {
		t.Error(err)
	}
}

// The service's folders are made and closed to others, as often as it is asked. That nobody else gets at them can't be seen in Wine, which makes of such a list
// what permissions Unix has.
func TestFoldersAreClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vitrine")
	c := Config{Settings: dir, State: filepath.Join(dir, "state")}
	for range 2 {
		if err := secure(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(c.State, "x"), nil, 0o600); err != nil {
		t.Error(err)
	}
}
