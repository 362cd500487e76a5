//go:build !linux

package wake

import "errors"

func arm(string) error { return errors.ErrUnsupported }
