//go:build !unix

package child

import "errors"

// Replace runs a program in place of this one. It is not built on this system.
func Replace(string, []string, []string) error { return errors.ErrUnsupported }
