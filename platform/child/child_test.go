package child_test

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"testing"

	"vitrine/platform/child"
)

// The child must be asked, not killed: it says so before it ends.
func TestCommandIsAskedToEnd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no way to ask a process to end")
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := child.Command(ctx, "sh", "-c", `trap 'echo asked; exit 3' TERM; echo started; while :; do read -r _ || exit 9; done`)
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "started" {
		t.Fatalf("first line %q", lines.Text())
	}
	cancel()
	if !lines.Scan() || lines.Text() != "asked" {
		t.Errorf("second line %q, want it to be asked to end", lines.Text())
	}
	err = c.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("ended with %v, want its own exit code 3", err)
	}
}
