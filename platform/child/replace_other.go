//go:build !unix

package child

import "errors"

// Replaces tells whether Replace is built on this system.
const Replaces = false

// Replace runs a program in place of this one. It is not built on this system.
func Replace(string, []string, []string) error { return errors.ErrUnsupported }
