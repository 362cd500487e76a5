//go:build !linux

package device

import "errors"

func temperatures() []Temperature { return nil }

func memory() (Memory, error) { return Memory{}, errors.ErrUnsupported }

func power() (Power, error) { return Power{}, errors.ErrUnsupported }

func resident() int64 { return 0 }
