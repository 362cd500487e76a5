//go:build unix

package child

import "syscall"

// Replaces tells whether Replace is built on this system.
const Replaces = true

// Replace runs a program in place of this one, in the same process, with the same arguments and environment. It returns only if that fails.
func Replace(path string, args, env []string) error { return syscall.Exec(path, args, env) }
