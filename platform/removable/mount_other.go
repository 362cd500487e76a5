//go:build !linux

package removable

import (
	"context"
	"errors"
)

// mount mounts nothing: these systems mount sticks themselves.
func (s *Sticks) mount(context.Context) {}

func onStick(string) bool { return true }

func remount(string, bool) error { return errors.ErrUnsupported }
