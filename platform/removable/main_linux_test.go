package removable

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// inside is set in the process that has a mount namespace of its own.
const inside = "VITRINE_TEST_INSIDE"

// As root the tests mount in a namespace of their own: another test's, made meanwhile, would have copies of these mounts, by which their disks would stay in use.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	c := exec.Command("unshare", append([]string{"--mount", os.Args[0]}, os.Args[1:]...)...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := c.Run()
	if exit, ended := errors.AsType[*exec.ExitError](err); ended {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
