//go:build !linux

package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// As has the command run as a user of this machine. It is not built on this system.
func As(_ *exec.Cmd, name string) error {
	return fmt.Errorf("to run it as %s: %w", name, errors.ErrUnsupported)
}

// Give makes a user of this machine the owner of a file or folder. It is not built on this system.
func Give(_, name string) error {
	return fmt.Errorf("to give it to %s: %w", name, errors.ErrUnsupported)
}

// Owner is the name of the user whom a file or folder belongs to. It is not built on this system.
func Owner(string) (string, error) { return "", errors.ErrUnsupported }

// Tie has the command killed when the program that starts it is gone. It is not built on this system.
func Tie(*exec.Cmd) {}

// Pipes gives the command two more files. It is not built on this system.
func Pipes(*exec.Cmd) (in, out *os.File, theirs []*os.File, err error) {
	return nil, nil, nil, errors.ErrUnsupported
}

// End kills what is left of a command's process group. On this system there is nothing to kill.
func End(int) {}

// Memory is what a command and all that it started use, in bytes. It can't be said on this system.
func Memory(int) (int64, error) { return 0, errors.ErrUnsupported }

// TotalMemory is how much memory this machine has, in bytes; 0 if that can't be said.
func TotalMemory() int64 { return 0 }
